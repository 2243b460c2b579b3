//! The file around the pages.

use pdf_writer::{Content, Date, Finish, Name, Pdf, Rect, Ref, TextStr};

use crate::invoice::Invoice;
use crate::sheet::{PAGE, Sheet, font};
use crate::text::{Alphabet, Face};

const CATALOG: Ref = Ref::new(1);
const TREE: Ref = Ref::new(2);
const INFO: Ref = Ref::new(3);
const PLAIN: Ref = Ref::new(4);
const BOLD: Ref = Ref::new(5);
/// The pages and their contents take the numbers from here on, in turn.
const FIRST_PAGE: i32 = 6;

/// The finished file. It depends on the invoice alone, not on when it is written.
pub(crate) fn write(sheet: Sheet, invoice: &Invoice) -> Vec<u8> {
    let name = format!("{} {}", invoice.title, invoice.number);
    let (pages, alphabet) = sheet.finish(|page, count| format!("{name}   ·   page {page} of {count}"));
    let mut pdf = Pdf::new();
    pdf.catalog(CATALOG).pages(TREE).lang(TextStr("en"));
    info(&mut pdf, &name, invoice);
    for (id, base, face) in [(PLAIN, "Helvetica", Face::Plain), (BOLD, "Helvetica-Bold", Face::Bold)] {
        write_font(&mut pdf, id, base, face, &alphabet);
    }
    // A thousand items fill far fewer pages than there are numbers.
    let ids = (FIRST_PAGE..).step_by(2).map(|number| (Ref::new(number), Ref::new(number + 1)));
    let pages: Vec<_> = ids.zip(pages).collect();
    let count = i32::try_from(pages.len()).unwrap_or(i32::MAX);
    pdf.pages(TREE).kids(pages.iter().map(|((id, _), _)| *id)).count(count);
    for ((id, content_id), content) in pages {
        write_page(&mut pdf, id, content_id, content);
    }
    let mut file = pdf.finish();
    file.truncate(file.trim_ascii_end().len());
    file
}

fn info(pdf: &mut Pdf, name: &str, invoice: &Invoice) {
    let date = invoice.date;
    let number = |n: i8| u8::try_from(n).unwrap_or(1);
    let year = u16::try_from(date.year()).unwrap_or(0);
    let date = Date::new(year).month(number(date.month())).day(number(date.day()));
    let mut info = pdf.document_info(INFO);
    info.title(TextStr(name)).author(TextStr(&invoice.seller.name));
    info.producer(TextStr("Gristmill tax-document")).creation_date(date);
}

fn write_font(pdf: &mut Pdf, id: Ref, base: &str, face: Face, alphabet: &Alphabet) {
    let mut dict = pdf.type1_font(id);
    dict.name(font(face)).base_font(Name(base.as_bytes()));
    let mut encoding = dict.encoding_custom();
    encoding.base_encoding(Name(b"WinAnsiEncoding"));
    let mut differences = encoding.differences();
    for (code, name) in alphabet.differences() {
        differences.consecutive(code, [Name(name.as_bytes())]);
    }
    differences.finish();
}

fn write_page(pdf: &mut Pdf, id: Ref, content_id: Ref, content: Content) {
    let mut page = pdf.page(id);
    page.parent(TREE).media_box(Rect::new(0.0, 0.0, PAGE.0, PAGE.1)).contents(content_id);
    let mut resources = page.resources();
    resources.fonts().pair(font(Face::Plain), PLAIN).pair(font(Face::Bold), BOLD);
    resources.finish();
    page.finish();
    pdf.stream(content_id, &content.finish());
}
