//! Removes what could act on a terminal or break a log apart.

use std::borrow::Cow;

/// `text` without control characters and terminal escape sequences; tabs stay.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unwanted) {
        return text.into();
    }
    let mut kept = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\x1b' => skip_escape(&mut rest),
            '\u{9b}' => skip_to_final(&mut rest),
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => skip_to_terminator(&mut rest),
            c if is_unwanted(c) => {}
            c => kept.push(c),
        }
    }
    kept.into()
}

fn is_unwanted(c: char) -> bool {
    c.is_control() && c != '\t'
}

/// What follows the escape character.
fn skip_escape(rest: &mut impl Iterator<Item = char>) {
    match rest.next() {
        Some('[') => skip_to_final(rest),
        Some(']' | 'P' | 'X' | '^' | '_') => skip_to_terminator(rest),
        // An intermediate character: the sequence has one more.
        Some(' '..='/') => drop(rest.next()),
        _ => {}
    }
}

/// The parameters of a control sequence, up to its final character.
fn skip_to_final(rest: &mut impl Iterator<Item = char>) {
    rest.find(|c| matches!(c, '@'..='~'));
}

/// A string that ends with BEL or ST, such as a window title or a link.
fn skip_to_terminator(rest: &mut impl Iterator<Item = char>) {
    while let Some(c) = rest.next() {
        if matches!(c, '\x07' | '\u{9c}') || (c == '\x1b' && rest.next() == Some('\\')) {
            return;
        }
    }
}

/// Text of several lines, each of them clean.
#[must_use]
pub fn clean_lines(text: &str) -> Cow<'_, str> {
    if !text.contains(|c| c != '\n' && is_unwanted(c)) {
        return text.into();
    }
    text.split('\n').map(clean).collect::<Vec<_>>().join("\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("plain\ttext ä", "plain\ttext ä")]
    #[case("\x1b[1;31mred\x1b[0m", "red")]
    #[case("\x1b]0;title\x07after", "after")]
    #[case("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link")]
    #[case("\u{9b}31mred", "red")]
    #[case("50%\r60%\x08", "50%60%")]
    #[case("\x1b(Bx", "x")]
    #[case("end\x1b", "end")]
    #[case("end\x1b[", "end")]
    #[case("a\0b\x7f", "ab")]
    fn cleans(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(clean(text), expected);
    }
}
