//! JSON Schemas of job data, which handlers carry in a custom section, and checking data against them.

use jsonschema::{Draft, Validator};
use serde_json::Value;

use crate::units::cut;

/// The custom section of a component.
pub const SECTION: &str = "gristmill:schema";
/// Bytes of a schema.
pub const MAX_SCHEMA_BYTES: usize = 64 << 10;
/// Problems of one job's data that are told.
const MAX_PROBLEMS: usize = 5;
/// Bytes of one problem's text, which has a part of the data in it.
const MAX_PROBLEM: usize = 300;

/// A schema that data can be checked against.
#[derive(Debug)]
pub struct Schema {
    json: Value,
    validator: Validator,
}

impl Schema {
    /// Reads a schema: JSON of at most [`MAX_SCHEMA_BYTES`], by the draft that its `$schema` names, or 2020-12. References lead
    /// nowhere but into itself.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        if text.len() > MAX_SCHEMA_BYTES {
            return Err(format!("it has {} bytes, more than {MAX_SCHEMA_BYTES}", text.len()));
        }
        let json: Value = serde_json::from_slice(text).map_err(|error| format!("it is not JSON: {error}"))?;
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .build(&json)
            .map_err(|error| cut(&error.to_string(), MAX_PROBLEM).into_owned())?;
        Ok(Self { json, validator })
    }

    /// The schema as JSON.
    #[must_use]
    pub fn json(&self) -> &Value {
        &self.json
    }

    /// Why data does not fit: each problem with the place as a JSON pointer, such as ``at `/items/1`: …``.
    pub fn check(&self, data: &[u8]) -> Result<(), String> {
        let data: Value = serde_json::from_slice(data).map_err(|error| format!("it is not JSON: {error}"))?;
        let told = |error: jsonschema::ValidationError<'_>| {
            let place = error.instance_path().to_string();
            let text = error.to_string();
            let text = cut(&text, MAX_PROBLEM);
            if place.is_empty() { text.into_owned() } else { format!("at `{place}`: {text}") }
        };
        let problems: Vec<_> = self.validator.iter_errors(&data).take(MAX_PROBLEMS).map(told).collect();
        if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
    }
}

/// The schema in a component, as it is there.
#[must_use]
pub fn section(component: &[u8]) -> Option<&[u8]> {
    let mut rest = component.get(8..)?;
    loop {
        let (id, after) = rest.split_first()?;
        let (size, after) = length(after)?;
        let (content, after) = after.split_at_checked(size)?;
        rest = after;
        if *id != 0 {
            continue;
        }
        let Some((name, text)) = length(content).and_then(|(size, rest)| rest.split_at_checked(size)) else {
            continue;
        };
        if name == SECTION.as_bytes() {
            return Some(text);
        }
    }
}

/// A component with a schema at its end.
pub fn append(component: &mut Vec<u8>, schema: &[u8]) {
    let mut content = Vec::new();
    push_length(&mut content, SECTION.len());
    content.extend(SECTION.as_bytes());
    content.extend(schema);
    component.push(0);
    push_length(component, content.len());
    component.extend(content);
}

/// A number as WebAssembly writes it, LEB128, and what follows.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0;
    for (at, byte) in bytes.iter().take(5).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}

fn push_length(to: &mut Vec<u8>, mut length: usize) {
    loop {
        let low = u8::try_from(length & 0x7f).unwrap_or_default();
        length >>= 7;
        to.push(if length == 0 { low } else { low | 0x80 });
        if length == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: &[u8] = br#"{"type":"object","required":["to"],"properties":{"to":{"type":"string"},
        "items":{"type":"array","items":{"type":"number"}}}}"#;

    #[rstest::rstest]
    #[case(r#"{"to":"x"}"#, None)]
    #[case(r#"{"to":"x","items":[1,2.5]}"#, None)]
    #[case(r#"{"items":[]}"#, Some("\"to\" is a required property"))]
    #[case(r#"{"to":"x","items":[1,"2"]}"#, Some("at `/items/1`: \"2\" is not of type \"number\""))]
    #[case("[]", Some("[] is not of type \"object\""))]
    fn data_fits_or_not(#[case] data: &str, #[case] problem: Option<&str>) {
        let found = Schema::parse(ORDER).unwrap().check(data.as_bytes());
        assert_eq!(found.err().as_deref(), problem);
    }

    #[test]
    fn problems_are_bounded() {
        let items: Vec<_> = (0..100).map(|_| "x".repeat(10_000)).collect();
        let data = serde_json::json!({ "to": "x", "items": items }).to_string();
        let told = Schema::parse(ORDER).unwrap().check(data.as_bytes()).unwrap_err();
        assert!(told.len() < MAX_PROBLEMS * (MAX_PROBLEM + 40), "{}", told.len());
    }

    #[rstest::rstest]
    #[case(b"{", "it is not JSON")]
    #[case(br#"{"type":"strung"}"#, "strung")]
    #[case(br#"{"$ref":"https://example.com/schema"}"#, "example.com")]
    fn schemas_that_cannot_be_used(#[case] text: &[u8], #[case] part: &str) {
        let error = Schema::parse(text).unwrap_err();
        assert!(error.contains(part), "{error}");
    }

    #[test]
    fn a_schema_too_large_is_refused() {
        assert!(Schema::parse(&vec![b' '; MAX_SCHEMA_BYTES + 1]).unwrap_err().contains("more than"));
    }

    #[test]
    fn a_section_is_found_among_others() {
        let mut component = b"\0asm\x0d\0\x01\0".to_vec();
        component.extend([0, 3, 1, b'x', 7]);
        component.extend([1, 2, 9, 9]);
        assert_eq!(section(&component), None);
        append(&mut component, &[7; 300]);
        assert_eq!(section(&component), Some(&[7; 300][..]));
        // Whatever is cut or made up is none.
        for end in 0..component.len() {
            assert_eq!(section(&component[..end]), None);
        }
        assert_eq!(section(b"\0asm\x0d\0\x01\0\0\xff\xff\xff\xff\xff"), None);
    }
}
