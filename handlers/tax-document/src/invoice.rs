//! A job's data, and which of it is refused.

use gristmill::JobError;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::Deserialize;

use crate::bad;
use crate::number::Number;

/// Ceilings that keep amounts exact and pages in order.
const MAX_ITEMS: usize = 1_000;
const MAX_ADDRESS_LINES: usize = 8;
const MAX_SHORT: usize = 120;
const MAX_LONG: usize = 2_000;
const MAX_QUANTITY: i64 = 999_999;
const MAX_PRICE: i64 = 999_999_999;
const MAX_DECIMALS: u32 = 4;

/// A job's data.
#[derive(Deserialize)]
pub(crate) struct Invoice {
    #[serde(default = "title")]
    pub(crate) title: String,
    pub(crate) number: String,
    pub(crate) date: Date,
    /// Three letters of ISO 4217.
    pub(crate) currency: String,
    pub(crate) seller: Party,
    pub(crate) buyer: Party,
    pub(crate) items: Vec<Item>,
    /// Stands below the sums: how to pay, say.
    #[serde(default)]
    pub(crate) note: String,
}

fn title() -> String {
    "Invoice".to_owned()
}

#[derive(Deserialize)]
pub(crate) struct Party {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) address: Vec<String>,
    #[serde(default)]
    pub(crate) tax_id: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Item {
    pub(crate) description: String,
    /// Negative for what comes back.
    pub(crate) quantity: Number,
    /// Without tax.
    pub(crate) unit_price: Number,
    /// In percent.
    pub(crate) tax_rate: Number,
}

impl Invoice {
    /// Says what is wrong where the types alone do not.
    pub(crate) fn check(&self) -> Result<(), JobError> {
        if self.currency.len() != 3 || !self.currency.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err(bad(format!("`currency` is `{}`; it must be a code such as `EUR`", self.currency)));
        }
        length("title", &self.title, MAX_SHORT)?;
        length("number", &self.number, MAX_SHORT)?;
        if self.note.chars().count() > MAX_LONG {
            return Err(bad(format!("`note` has more than {MAX_LONG} characters")));
        }
        self.seller.check("seller")?;
        self.buyer.check("buyer")?;
        if self.items.is_empty() || self.items.len() > MAX_ITEMS {
            let count = self.items.len();
            return Err(bad(format!("`items` has {count} entries; it can have 1 to {MAX_ITEMS}")));
        }
        self.items.iter().enumerate().try_for_each(|(index, item)| item.check(index))
    }

    /// Decimals of the currency's smallest unit.
    pub(crate) fn currency_digits(&self) -> u32 {
        match self.currency.as_str() {
            "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI"
            | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
            "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
            _ => 2,
        }
    }
}

impl Party {
    fn check(&self, place: &str) -> Result<(), JobError> {
        length(&format!("{place}.name"), &self.name, MAX_SHORT)?;
        if self.address.len() > MAX_ADDRESS_LINES {
            return Err(bad(format!("`{place}.address` has more than {MAX_ADDRESS_LINES} lines")));
        }
        for (index, line) in self.address.iter().enumerate() {
            length(&format!("{place}.address[{index}]"), line, MAX_SHORT)?;
        }
        self.tax_id.as_ref().map_or(Ok(()), |id| length(&format!("{place}.tax_id"), id, MAX_SHORT))
    }
}

impl Item {
    fn check(&self, index: usize) -> Result<(), JobError> {
        let place = |field: &str| format!("items[{index}].{field}");
        length(&place("description"), &self.description, MAX_LONG)?;
        decimals(&place("quantity"), self.quantity, MAX_QUANTITY)?;
        decimals(&place("unit_price"), self.unit_price, MAX_PRICE)?;
        let rate = self.tax_rate.0;
        if rate.is_sign_negative() && !rate.is_zero() || rate > Decimal::ONE_HUNDRED {
            let place = place("tax_rate");
            return Err(bad(format!("`{place}` is {rate}; it is a percentage from 0 to 100")));
        }
        decimals(&place("tax_rate"), self.tax_rate, 100)
    }
}

fn length(place: &str, text: &str, max: usize) -> Result<(), JobError> {
    if text.trim().is_empty() {
        return Err(bad(format!("`{place}` is empty")));
    }
    if text.chars().count() > max {
        return Err(bad(format!("`{place}` has more than {max} characters")));
    }
    Ok(())
}

fn decimals(place: &str, Number(number): Number, max: i64) -> Result<(), JobError> {
    if number.scale() > MAX_DECIMALS {
        return Err(bad(format!("`{place}` is {number}; it can have {MAX_DECIMALS} decimals")));
    }
    if number.abs() > Decimal::from(max) {
        return Err(bad(format!("`{place}` is {number}; it can be at most {max}")));
    }
    Ok(())
}
