//! What stands where.

use crate::amounts::Amounts;
use crate::invoice::{Invoice, Item, Party};
use crate::number::grouped;
use crate::sheet::{At, LEFT, RIGHT, Sheet, Style};
use crate::text::{Face, wrap};

const TITLE: Style = Style::new(Face::Bold, 22.0, 0.0);
const HEAD: Style = Style::new(Face::Bold, 9.0, 0.35);
const STRONG: Style = Style::new(Face::Bold, 10.0, 0.0);
const BODY: Style = Style::new(Face::Plain, 10.0, 0.0);
const CELL: Style = Style::new(Face::Plain, 9.0, 0.0);
const SMALL: Style = Style::new(Face::Plain, 8.5, 0.35);

/// Left edge of the buyer's and the sums' half.
const HALF: f32 = 310.0;
const HALF_WIDTH: f32 = 225.0;
const DESCRIPTION_WIDTH: f32 = 190.0;
/// Right edges of the numbers of an item.
const QUANTITY: f32 = 312.0;
const PRICE: f32 = 396.0;
const RATE: f32 = 442.0;

/// The whole document but the feet of its pages.
pub(crate) fn draw(invoice: &Invoice, amounts: &Amounts) -> Sheet {
    let mut sheet = Sheet::new();
    top(&mut sheet, invoice);
    parties(&mut sheet, invoice);
    head(&mut sheet, &invoice.currency);
    for (index, (item, amount)) in invoice.items.iter().zip(&amounts.items).enumerate() {
        let texts = [
            grouped(item.quantity.0, 0),
            grouped(item.unit_price.0, amounts.digits),
            format!("{} %", item.tax_rate.0),
            grouped(*amount, amounts.digits),
        ];
        row(&mut sheet, invoice, index, item, &texts);
    }
    sums(&mut sheet, invoice, amounts);
    note(&mut sheet, &invoice.note);
    sheet
}

fn top(sheet: &mut Sheet, invoice: &Invoice) {
    for line in wrap(&invoice.title, TITLE.face, TITLE.size, RIGHT - LEFT) {
        sheet.write(At::Left(LEFT), &line, TITLE);
        sheet.down(TITLE.leading());
    }
    let facts = format!("{}   ·   {}", invoice.number, invoice.date);
    for line in wrap(&facts, BODY.face, BODY.size, RIGHT - LEFT) {
        sheet.write(At::Left(LEFT), &line, BODY);
        sheet.down(BODY.leading());
    }
    sheet.down(14.0);
}

fn parties(sheet: &mut Sheet, invoice: &Invoice) {
    let start = sheet.y;
    party(sheet, LEFT, "From", &invoice.seller);
    let end = std::mem::replace(&mut sheet.y, start);
    party(sheet, HALF, "To", &invoice.buyer);
    sheet.y = sheet.y.min(end);
    sheet.down(18.0);
}

fn party(sheet: &mut Sheet, x: f32, role: &str, party: &Party) {
    sheet.write(At::Left(x), role, HEAD);
    sheet.down(BODY.leading());
    let tax_id = party.tax_id.as_ref().map(|id| format!("Tax ID {id}"));
    let texts = std::iter::once((&party.name, STRONG))
        .chain(party.address.iter().map(|line| (line, BODY)))
        .chain(tax_id.iter().map(|id| (id, SMALL)));
    for (text, style) in texts {
        for line in wrap(text, style.face, style.size, HALF_WIDTH) {
            sheet.write(At::Left(x), &line, style);
            sheet.down(style.leading());
        }
    }
}

/// The names of the columns, on every page that has items.
fn head(sheet: &mut Sheet, currency: &str) {
    sheet.write(At::Left(LEFT), "Description", HEAD);
    for (x, name) in [(QUANTITY, "Quantity"), (PRICE, "Unit price"), (RATE, "Tax")] {
        sheet.write(At::Right(x), name, HEAD);
    }
    sheet.write(At::Right(RIGHT), &format!("Net {currency}"), HEAD);
    sheet.down(6.0);
    sheet.rule(LEFT, 0.35);
    sheet.down(CELL.leading() + 1.0);
}

fn row(sheet: &mut Sheet, invoice: &Invoice, index: usize, item: &Item, numbers: &[String; 4]) {
    if index > 0 {
        // The line belongs to the item before, so it may stand at the end of a page.
        sheet.down(-CELL.size - 1.5);
        sheet.rule(LEFT, 0.85);
        sheet.down(CELL.size + 1.5);
    }
    for (number, line) in wrap(&item.description, CELL.face, CELL.size, DESCRIPTION_WIDTH).iter().enumerate()
    {
        if sheet.need(CELL.leading()) {
            head(sheet, &invoice.currency);
        }
        if number == 0 {
            for (x, text) in [QUANTITY, PRICE, RATE, RIGHT].into_iter().zip(numbers) {
                sheet.write(At::Right(x), text, CELL);
            }
        }
        sheet.write(At::Left(LEFT), line, CELL);
        sheet.down(CELL.leading());
    }
    sheet.down(4.0);
}

/// The sums stand together, on a new page if need be.
fn sums(sheet: &mut Sheet, invoice: &Invoice, amounts: &Amounts) {
    let show = |amount| grouped(amount, amounts.digits);
    let mut lines = vec![("Net".to_owned(), show(amounts.net), BODY)];
    for rate in &amounts.rates {
        lines.push((format!("{} % tax on {}", rate.rate, show(rate.net)), show(rate.tax), CELL));
    }
    let total = show(amounts.net + amounts.tax);
    lines.push((format!("Total {}", invoice.currency), total, Style { size: 12.0, ..STRONG }));

    sheet.down(-CELL.size - 1.5);
    sheet.rule(LEFT, 0.35);
    sheet.down(3.0);
    // Many rates may fill a page; then they flow on like anything else.
    let height: f32 = lines.iter().map(|(_, _, style)| style.leading() + 3.0).sum();
    sheet.need(height.min(500.0));
    for (name, amount, style) in lines {
        sheet.need(style.leading() + 3.0);
        sheet.down(style.leading() + 3.0);
        sheet.write(At::Left(HALF), &name, style);
        sheet.write(At::Right(RIGHT), &amount, style);
    }
    sheet.down(32.0);
}

fn note(sheet: &mut Sheet, note: &str) {
    for line in wrap(note, SMALL.face, SMALL.size, RIGHT - LEFT) {
        sheet.need(SMALL.leading());
        sheet.write(At::Left(LEFT), &line, SMALL);
        sheet.down(SMALL.leading());
    }
}
