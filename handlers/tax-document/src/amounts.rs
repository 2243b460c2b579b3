//! What the items come to, with the tax of each rate.

use std::collections::BTreeMap;

use gristmill::JobError;
use rust_decimal::{Decimal, RoundingStrategy};

use crate::bad;
use crate::invoice::Invoice;

/// The largest amount of one item.
const MAX_AMOUNT: i64 = 99_999_999_999;

/// All sums of an invoice, rounded to the currency's smallest unit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Amounts {
    /// Decimals of the currency.
    pub(crate) digits: u32,
    /// Of each item in its order: quantity times unit price, rounded.
    pub(crate) items: Vec<Decimal>,
    /// By rate, the lowest first.
    pub(crate) rates: Vec<RateAmounts>,
    pub(crate) net: Decimal,
    pub(crate) tax: Decimal,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RateAmounts {
    /// In percent.
    pub(crate) rate: Decimal,
    pub(crate) net: Decimal,
    /// Of the rate's net sum, rounded once, and not item by item.
    pub(crate) tax: Decimal,
}

impl Amounts {
    /// Adds up. The ceilings of the data leave room for every digit: nothing here rounds but what says so.
    pub(crate) fn of(invoice: &Invoice) -> Result<Self, JobError> {
        let digits = invoice.currency_digits();
        // Half a cent counts as a cent, as taxes are rounded in commerce.
        let round = |n: Decimal| n.round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero);
        let mut items = Vec::with_capacity(invoice.items.len());
        let mut by_rate: BTreeMap<Decimal, Decimal> = BTreeMap::new();
        for (index, item) in invoice.items.iter().enumerate() {
            let amount = round(item.quantity.0 * item.unit_price.0);
            if amount.abs() > Decimal::from(MAX_AMOUNT) {
                let message = format!("`items[{index}]` comes to {amount}; at most {MAX_AMOUNT} is taken");
                return Err(bad(message));
            }
            *by_rate.entry(item.tax_rate.0).or_default() += amount;
            items.push(amount);
        }
        let tax = |rate: Decimal, net: Decimal| round(net * rate / Decimal::ONE_HUNDRED);
        let rates: Vec<_> =
            by_rate.into_iter().map(|(rate, net)| RateAmounts { rate, net, tax: tax(rate, net) }).collect();
        let (net, tax) = (rates.iter().map(|r| r.net).sum(), rates.iter().map(|r| r.tax).sum());
        Ok(Self { digits, items, rates, net, tax })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn amounts(currency: &str, items: &[[&str; 3]]) -> Result<Amounts, JobError> {
        let item = |[quantity, price, rate]: &[&str; 3]| json!({"description": "x", "quantity": quantity, "unit_price": price, "tax_rate": rate});
        let items: Vec<Value> = items.iter().map(item).collect();
        let data = json!({
            "number": "1", "date": "2026-01-01", "currency": currency,
            "seller": {"name": "a"}, "buyer": {"name": "b"}, "items": items,
        });
        let invoice: Invoice = serde_json::from_value(data).unwrap();
        Amounts::of(&invoice)
    }

    fn shown(amounts: &Amounts) -> (String, String) {
        (amounts.net.to_string(), amounts.tax.to_string())
    }

    #[rstest::rstest]
    // With floats 1.005 would round down.
    #[case("EUR", &[["1", "1.005", "0"]], ("1.01", "0.00"))]
    #[case("EUR", &[["-1", "1.005", "0"]], ("-1.01", "0.00"))]
    // 0.1 + 0.2
    #[case("EUR", &[["1", "0.1", "0"], ["1", "0.2", "0"]], ("0.3", "0.0"))]
    // Three times 0.333 of tax is 1.00 when added before rounding.
    #[case("EUR", &[["1", "3.33", "10"], ["1", "3.33", "10"], ["1", "3.34", "10"]], ("10.00", "1.00"))]
    #[case("JPY", &[["3", "33.5", "10"]], ("101", "10"))]
    #[case("KWD", &[["1", "1.2345", "5"]], ("1.235", "0.062"))]
    #[case("EUR", &[["999999", "99999.9999", "100"]], ("99999899900.00", "99999899900.00"))]
    fn sums(#[case] currency: &str, #[case] items: &[[&str; 3]], #[case] expected: (&str, &str)) {
        let amounts = amounts(currency, items).unwrap();
        let decimal = |text: &str| text.parse::<Decimal>().unwrap();
        assert_eq!(
            (amounts.net, amounts.tax),
            (decimal(expected.0), decimal(expected.1)),
            "{:?}",
            shown(&amounts)
        );
    }

    #[test]
    fn rates_are_kept_apart_by_value() {
        let amounts = amounts("EUR", &[["1", "10", "19"], ["1", "20", "7.0"], ["1", "30", "19.00"]]).unwrap();
        let rates: Vec<_> =
            amounts.rates.iter().map(|r| (r.rate.to_string(), r.net, r.tax.to_string())).collect();
        let expected =
            [("7".to_owned(), 20.into(), "1.40".to_owned()), ("19".to_owned(), 40.into(), "7.60".to_owned())];
        assert_eq!(rates, expected);
    }

    #[test]
    fn an_amount_without_bounds_is_refused() {
        let error = amounts("EUR", &[["999999", "999999999", "0"]]).unwrap_err();
        assert!(matches!(error, JobError::Permanent(_)), "{error:?}");
        assert!(error.message().starts_with("`items[0]` comes to 999998999000001"), "{error}");
    }
}
