//! `gristmill:job/secrets`.

use crate::bindings::gristmill::job::secrets::{Host, SecretError};
use crate::guest::Guest;
use crate::{Denied, Level};

impl Host for Guest {
    async fn get(&mut self, name: String) -> wasmtime::Result<Result<String, SecretError>> {
        let Some(secret) = self.allow.secrets.iter().find(|secret| secret.name == name) else {
            self.host.denied(Denied::Secret);
            let name = gristmill_core::units::cut(&name, 256);
            self.log.write(Level::Warn, &format!("secrets: `{name}` is not in `allow.secrets`"), &[]);
            return Ok(Err(SecretError::Denied));
        };
        Ok(match secret.source.read().await {
            Ok(value) => {
                self.log.redactions().add(&value);
                Ok(value)
            }
            Err(why) => Err(SecretError::Unavailable(why)),
        })
    }
}
