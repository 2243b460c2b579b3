//! Renders an invoice with its taxes as a PDF, from JSON line items. All amounts are decimals; none is ever a float.

mod amounts;
mod invoice;
mod layout;
mod number;
mod pdf;
mod sheet;
mod text;
mod widths;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use gristmill::{Job, JobError, metrics, progress};
use serde::Serialize;

use crate::amounts::Amounts;
use crate::invoice::Invoice;

/// What the job returns. Amounts are texts, as every JSON reader keeps those exactly.
#[derive(Serialize)]
struct Document {
    /// The PDF's file in base64.
    pdf: String,
    pages: usize,
    net: String,
    tax: String,
    total: String,
}

#[gristmill::handler]
fn tax_document(_job: Job, invoice: Invoice) -> Result<Document, JobError> {
    invoice.check()?;
    let amounts = Amounts::of(&invoice)?;
    progress::report(1, 3);
    let sheet = layout::draw(&invoice, &amounts);
    progress::report(2, 3);
    let missing: String = sheet.missing().collect();
    if !missing.is_empty() {
        gristmill::warn!(characters = missing, "the document's fonts lack characters; `?` stands for them");
    }
    let pages = sheet.pages();
    let file = pdf::write(sheet, &invoice);
    metrics::counter("tax_documents", 1, &[("currency", &invoice.currency)]);
    metrics::histogram("tax_document_pages", pages as f64, &[]);
    progress::report(3, 3);
    let shown = |amount| number::fixed(amount, amounts.digits);
    Ok(Document {
        pdf: BASE64.encode(file),
        pages,
        net: shown(amounts.net),
        tax: shown(amounts.tax),
        total: shown(amounts.net + amounts.tax),
    })
}

/// Data that no further attempt will make better.
pub(crate) fn bad(message: impl std::fmt::Display) -> JobError {
    JobError::permanent(message).code("bad-invoice")
}

#[cfg(test)]
mod tests {
    use gristmill::testing;
    use serde_json::{Value, json};

    use super::*;

    fn invoice(items: &Value) -> Value {
        json!({
            "number": "2026-17",
            "date": "2026-11-24",
            "currency": "EUR",
            "seller": {"name": "Mühle & Söhne", "address": ["Am Bach 1", "12345 Mühlheim"], "tax_id": "DE1"},
            "buyer": {"name": "Ada"},
            "items": items,
        })
    }

    fn flour() -> Value {
        json!({"description": "Flour", "quantity": 3, "unit_price": "1.10", "tax_rate": 7})
    }

    fn call(data: Value) -> Result<Value, JobError> {
        testing::call(tax_document, testing::job(data))
    }

    fn file(value: &Value) -> Vec<u8> {
        BASE64.decode(value["pdf"].as_str().unwrap()).unwrap()
    }

    #[test]
    fn renders_a_pdf_with_the_right_sums() {
        let value = call(invoice(&json!([flour()]))).unwrap();
        let sums = [&value["pages"], &value["net"], &value["tax"], &value["total"]];
        assert_eq!(sums, [&json!(1), &json!("3.30"), &json!("0.23"), &json!("3.53")]);
        let file = file(&value);
        assert!(file.starts_with(b"%PDF-1.") && file.ends_with(b"%%EOF"), "{}", file.len());
        let records = testing::take();
        assert_eq!(records.progress, [33, 66, 100]);
        assert_eq!(records.metrics[0].labels[0].1, "EUR");
    }

    #[test]
    fn many_items_take_several_pages() {
        let value = call(invoice(&vec![flour(); 100].into())).unwrap();
        assert_eq!((&value["pages"], &value["total"]), (&json!(3), &json!("353.10")));
        let count = file(&value).windows(11).filter(|w| w == b"/Type /Page").count();
        // Three pages and the tree that holds them.
        assert_eq!(count, 4);
    }

    #[test]
    fn the_same_invoice_gives_the_same_file() {
        let data = invoice(&json!([flour()]));
        assert_eq!(call(data.clone()), call(data));
    }

    #[test]
    fn any_character_is_taken() {
        let mut item = flour();
        item["description"] = json!("Żółć, naïve café — 5 € \u{0}\n日本語 🌾 e\u{301}");
        let value = call(invoice(&json!([item]))).unwrap();
        assert!(file(&value).ends_with(b"%%EOF"));
        let logs = testing::take().logs;
        assert_eq!(logs[0].fields, [("characters".to_owned(), "日本語🌾".to_owned())]);
    }

    #[rstest::rstest]
    #[case("/items", json!([]), "`items` has 0 entries")]
    #[case("/date", json!("2026-02-30"), "at `date`: ")]
    #[case("/currency", json!("Euro"), "`currency` is `Euro`")]
    #[case("/number", json!(" "), "`number` is empty")]
    #[case("/buyer", json!({}), "at `buyer`: missing field `name`")]
    #[case("/items/0/quantity", json!("three"), "at `items[0].quantity`: `three` is not a decimal number")]
    #[case("/items/0/unit_price", json!(null), "at `items[0].unit_price`: `null` is not a decimal number")]
    #[case("/items/0/unit_price", json!("0.00001"), "`items[0].unit_price` is 0.00001; it can have 4 decimals")]
    #[case("/items/0/quantity", json!(1e7), "`items[0].quantity` is 10000000; it can be at most 999999")]
    #[case("/items/0/tax_rate", json!(-1), "`items[0].tax_rate` is -1; it is a percentage from 0 to 100")]
    fn bad_data_is_permanent(#[case] place: &str, #[case] value: Value, #[case] part: &str) {
        let mut data = invoice(&json!([flour()]));
        *data.pointer_mut(place).unwrap() = value;
        let error = call(data).unwrap_err();
        assert!(matches!(error, JobError::Permanent(_)), "{error:?}");
        assert!(error.message().contains(part), "{error}");
    }
}
