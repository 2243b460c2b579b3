//! From text to the character codes of PDF's standard fonts, and how wide it gets.
//!
//! Those fonts are in every PDF reader, so a document needs none of its own. They have the letters of Europe's Latin
//! alphabets; an encoding holds 256 characters. So ours is WinAnsi, and letters beyond it take codes that it leaves
//! free, in the order in which the document uses them.

use std::collections::BTreeSet;

use crate::widths;

/// Which font.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Face {
    Plain,
    Bold,
}

/// Characters that WinAnsi has from code 128 on; `\0` where it has none.
const WIN_ANSI: [char; 32] = [
    '€', '\0', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\0', 'Ž', '\0', '\0', '‘', '’', '“',
    '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\0', 'ž', 'Ÿ',
];

/// A letter of the fonts outside WinAnsi: its name, and the letter that is as wide.
type Letter = (char, &'static str, u8);

/// By character.
#[rustfmt::skip]
const LETTERS: [Letter; 84] = [
    ('Ā', "Amacron", b'A'), ('ā', "amacron", b'a'), ('Ă', "Abreve", b'A'), ('ă', "abreve", b'a'),
    ('Ą', "Aogonek", b'A'), ('ą', "aogonek", b'a'), ('Ć', "Cacute", b'C'), ('ć', "cacute", b'c'),
    ('Č', "Ccaron", b'C'), ('č', "ccaron", b'c'), ('Ď', "Dcaron", b'D'), ('ď', "dcaron", b'w'),
    ('Đ', "Dcroat", b'D'), ('đ', "dcroat", b'd'), ('Ē', "Emacron", b'E'), ('ē', "emacron", b'e'),
    ('Ė', "Edotaccent", b'E'), ('ė', "edotaccent", b'e'), ('Ę', "Eogonek", b'E'), ('ę', "eogonek", b'e'),
    ('Ě', "Ecaron", b'E'), ('ě', "ecaron", b'e'), ('Ğ', "Gbreve", b'G'), ('ğ', "gbreve", b'g'),
    ('Ģ', "Gcommaaccent", b'G'), ('ģ', "gcommaaccent", b'g'), ('Ī', "Imacron", b'I'), ('ī', "imacron", b'i'),
    ('Į', "Iogonek", b'I'), ('į', "iogonek", b'i'), ('İ', "Idotaccent", b'I'), ('ı', "dotlessi", b'i'),
    ('Ķ', "Kcommaaccent", b'K'), ('ķ', "kcommaaccent", b'k'), ('Ĺ', "Lacute", b'L'), ('ĺ', "lacute", b'l'),
    ('Ļ', "Lcommaaccent", b'L'), ('ļ', "lcommaaccent", b'l'), ('Ľ', "Lcaron", b'L'), ('ľ', "lcaron", b'-'),
    ('Ł', "Lslash", b'L'), ('ł', "lslash", b'l'), ('Ń', "Nacute", b'N'), ('ń', "nacute", b'n'),
    ('Ņ', "Ncommaaccent", b'N'), ('ņ', "ncommaaccent", b'n'), ('Ň', "Ncaron", b'N'), ('ň', "ncaron", b'n'),
    ('Ō', "Omacron", b'O'), ('ō', "omacron", b'o'), ('Ő', "Ohungarumlaut", b'O'), ('ő', "ohungarumlaut", b'o'),
    ('Ŕ', "Racute", b'R'), ('ŕ', "racute", b'r'), ('Ŗ', "Rcommaaccent", b'R'), ('ŗ', "rcommaaccent", b'r'),
    ('Ř', "Rcaron", b'R'), ('ř', "rcaron", b'r'), ('Ś', "Sacute", b'S'), ('ś', "sacute", b's'),
    ('Ş', "Scedilla", b'S'), ('ş', "scedilla", b's'), ('Ţ', "Tcommaaccent", b'T'), ('ţ', "tcommaaccent", b't'),
    ('Ť', "Tcaron", b'T'), ('ť', "tcaron", b'-'), ('Ū', "Umacron", b'U'), ('ū', "umacron", b'u'),
    ('Ů', "Uring", b'U'), ('ů', "uring", b'u'), ('Ű', "Uhungarumlaut", b'U'), ('ű', "uhungarumlaut", b'u'),
    ('Ų', "Uogonek", b'U'), ('ų', "uogonek", b'u'), ('Ź', "Zacute", b'Z'), ('ź', "zacute", b'z'),
    ('Ż', "Zdotaccent", b'Z'), ('ż', "zdotaccent", b'z'), ('Ș', "Scommaaccent", b'S'),
    ('ș', "scommaaccent", b's'), ('Ț', "Tcommaaccent", b'T'), ('ț', "tcommaaccent", b't'),
    ('−', "minus", b'+'), ('≤', "lessequal", b'f'),
];

/// What the fonts have for a character.
enum Found {
    /// A code of WinAnsi.
    Code(u8),
    Letter(&'static Letter),
    /// Nothing to be seen: marks that would stand over the letter before, joiners, and their like.
    Unseen,
    Missing,
}

fn find(character: char) -> Found {
    match character {
        ' '..='~' | '\u{a0}'..='\u{ff}' => {
            u8::try_from(u32::from(character)).map_or(Found::Missing, Found::Code)
        }
        '\u{300}'..='\u{36f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2060}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' => Found::Unseen,
        '\u{2010}' | '\u{2011}' => Found::Code(b'-'),
        c if c.is_whitespace() || c.is_control() => Found::Code(b' '),
        c => {
            if let Some(code) =
                (128_u8..).zip(WIN_ANSI).find_map(|(code, known)| (known == c).then_some(code))
            {
                return Found::Code(code);
            }
            match LETTERS.binary_search_by_key(&c, |letter| letter.0) {
                Ok(index) => Found::Letter(&LETTERS[index]),
                Err(_) => Found::Missing,
            }
        }
    }
}

/// The codes of one document.
#[derive(Debug, Default)]
pub(crate) struct Alphabet {
    letters: Vec<&'static Letter>,
    missing: BTreeSet<char>,
}

impl Alphabet {
    /// Codes that WinAnsi leaves free.
    fn free() -> impl Iterator<Item = u8> {
        (1..32).chain([127, 129, 141, 143, 144, 157])
    }

    /// The codes of a text. What the fonts do not have, and what finds no free code any more, becomes `?`.
    pub(crate) fn encode(&mut self, text: &str) -> Vec<u8> {
        text.chars().filter_map(|c| self.code(c)).collect()
    }

    fn code(&mut self, character: char) -> Option<u8> {
        match find(character) {
            Found::Code(code) => return Some(code),
            Found::Unseen => return None,
            Found::Letter(letter) => {
                let known = self.letters.iter().position(|known| known.1 == letter.1);
                if let Some(code) = Self::free().nth(known.unwrap_or(self.letters.len())) {
                    if known.is_none() {
                        self.letters.push(letter);
                    }
                    return Some(code);
                }
            }
            Found::Missing => {}
        }
        self.missing.insert(character);
        Some(b'?')
    }

    /// The codes that differ from WinAnsi, with the names of their letters.
    pub(crate) fn differences(&self) -> impl Iterator<Item = (u8, &'static str)> {
        Self::free().zip(self.letters.iter().map(|letter| letter.1))
    }

    /// Characters for which `?` stands.
    pub(crate) fn missing(&self) -> impl Iterator<Item = char> {
        self.missing.iter().copied()
    }
}

/// How wide a text is in points.
pub(crate) fn width(text: &str, face: Face, size: f32) -> f32 {
    let widths = match face {
        Face::Plain => &widths::PLAIN,
        Face::Bold => &widths::BOLD,
    };
    let of = |code: u8| widths[usize::from(code) - 32];
    let thousandths = text.chars().map(|character| match find(character) {
        Found::Code(code) => of(code),
        Found::Letter(letter) => of(letter.2),
        Found::Unseen => 0,
        Found::Missing => of(b'?'),
    });
    thousandths.map(f32::from).sum::<f32>() * size / 1_000.0
}

/// The text in lines no wider than this. Its own line breaks stay; words that are wider are cut.
pub(crate) fn wrap(text: &str, face: Face, size: f32, max: f32) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_ascii_whitespace() {
            let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
            if width(&longer, face, size) <= max {
                line = longer;
                continue;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            for character in word.chars() {
                line.push(character);
                if line.len() > character.len_utf8() && width(&line, face, size) > max {
                    line.pop();
                    lines.push(std::mem::replace(&mut line, character.to_string()));
                }
            }
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_sorted_for_the_search() {
        assert!(LETTERS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[rstest::rstest]
    #[case("Aé€", b"A\xe9\x80")]
    #[case("Łódź Ł", b"\x01\xf3d\x02 \x01")]
    #[case("ȚŢ", b"\x01\x01")]
    #[case("e\u{301}\u{200b}x\ty", b"ex y")]
    #[case("日x", b"?x")]
    fn codes(#[case] text: &str, #[case] expected: &[u8]) {
        assert_eq!(Alphabet::default().encode(text), expected);
    }

    #[test]
    fn letters_beyond_the_free_codes_are_missing() {
        let mut alphabet = Alphabet::default();
        let all: String = LETTERS.iter().map(|letter| letter.0).collect();
        let codes = alphabet.encode(&all);
        assert_eq!(codes[..37], Alphabet::free().collect::<Vec<_>>());
        assert!(codes[37..].iter().all(|code| *code == b'?'));
        assert_eq!(alphabet.differences().count(), 37);
        assert!(alphabet.missing().count() > 40);
    }

    #[test]
    fn widths_are_those_of_the_fonts() {
        let near = |a: f32, b: f32| (a - b).abs() < 1e-4;
        assert!(near(width("Hi", Face::Plain, 10.0), 9.44));
        assert!(near(width("Hi", Face::Bold, 10.0), 10.0));
        assert!(near(width("łŁ", Face::Plain, 10.0), 7.78));
        assert!(near(width("日\u{301}", Face::Plain, 10.0), 5.56));
    }

    #[rstest::rstest]
    #[case("one two three", &["one two", "three"])]
    #[case("one\n\ntwo", &["one", "", "two"])]
    #[case("aaaaaaaaaaaa b", &["aaaaaaaa", "aaaa b"])]
    #[case("", &[])]
    fn lines(#[case] text: &str, #[case] expected: &[&str]) {
        assert_eq!(wrap(text, Face::Plain, 10.0, 45.0), expected);
    }

    #[test]
    fn a_line_holds_at_least_one_character() {
        assert_eq!(wrap("ab", Face::Plain, 10.0, 1.0), ["a", "b"]);
    }
}
