//! Pages that are written from top to bottom.

use pdf_writer::{Content, Name, Str};

use crate::text::{Alphabet, Face, width};

/// A4 in points.
pub(crate) const PAGE: (f32, f32) = (595.28, 841.89);
/// Edges of what is written.
pub(crate) const LEFT: f32 = 56.0;
pub(crate) const RIGHT: f32 = PAGE.0 - 56.0;
const TOP: f32 = PAGE.1 - 62.0;
const BOTTOM: f32 = 84.0;
const FOOT: f32 = 48.0;

/// How text looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    pub(crate) face: Face,
    pub(crate) size: f32,
    /// 0 is black.
    pub(crate) gray: f32,
}

impl Style {
    pub(crate) const fn new(face: Face, size: f32, gray: f32) -> Self {
        Self { face, size, gray }
    }

    /// From one line to the next.
    pub(crate) fn leading(self) -> f32 {
        self.size * 1.35
    }
}

/// Where a text stands.
#[derive(Debug, Clone, Copy)]
pub(crate) enum At {
    /// From this edge to the right.
    Left(f32),
    /// Up to this edge.
    Right(f32),
    Middle,
}

/// The document as far as it is written.
pub(crate) struct Sheet {
    done: Vec<Content>,
    page: Content,
    alphabet: Alphabet,
    /// Baseline of the next line, from the page's lower edge.
    pub(crate) y: f32,
}

impl Sheet {
    pub(crate) fn new() -> Self {
        Self { done: Vec::new(), page: Content::new(), alphabet: Alphabet::default(), y: TOP }
    }

    pub(crate) fn pages(&self) -> usize {
        self.done.len() + 1
    }

    /// Characters that the fonts lack.
    pub(crate) fn missing(&self) -> impl Iterator<Item = char> {
        self.alphabet.missing()
    }

    /// Goes to a new page if this one has less room than that; true if it did.
    pub(crate) fn need(&mut self, height: f32) -> bool {
        if self.y - height >= BOTTOM {
            return false;
        }
        self.done.push(std::mem::replace(&mut self.page, Content::new()));
        self.y = TOP;
        true
    }

    pub(crate) fn down(&mut self, by: f32) {
        self.y -= by;
    }

    /// Writes on the line where it is.
    pub(crate) fn write(&mut self, at: At, text: &str, style: Style) {
        let y = self.y;
        show(&mut self.page, &mut self.alphabet, at, y, text, style);
    }

    /// A line across.
    pub(crate) fn rule(&mut self, from: f32, gray: f32) {
        self.page.set_line_width(0.6).set_stroke_gray(gray);
        self.page.move_to(from, self.y).line_to(RIGHT, self.y).stroke();
    }

    /// Writes the foot of every page, and gives the pages and their letters away.
    pub(crate) fn finish(mut self, foot: impl Fn(usize, usize) -> String) -> (Vec<Content>, Alphabet) {
        self.done.push(self.page);
        let count = self.done.len();
        let style = Style::new(Face::Plain, 8.0, 0.45);
        for (index, page) in self.done.iter_mut().enumerate() {
            show(page, &mut self.alphabet, At::Middle, FOOT, &foot(index + 1, count), style);
        }
        (self.done, self.alphabet)
    }
}

fn show(page: &mut Content, alphabet: &mut Alphabet, at: At, y: f32, text: &str, style: Style) {
    let Style { face, size, gray } = style;
    let x = match at {
        At::Left(x) => x,
        At::Right(x) => x - width(text, face, size),
        At::Middle => (PAGE.0 - width(text, face, size)) / 2.0,
    };
    let codes = alphabet.encode(text);
    page.begin_text().set_fill_gray(gray).set_font(font(face), size);
    page.next_line(x, y).show(Str(&codes)).end_text();
}

/// A font's name in the pages' resources.
pub(crate) fn font(face: Face) -> Name<'static> {
    match face {
        Face::Plain => Name(b"F1"),
        Face::Bold => Name(b"F2"),
    }
}
