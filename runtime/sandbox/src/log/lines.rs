//! Bytes into lines, with a bound on what is kept.

/// The last, unfinished line of a stream.
#[derive(Debug, Default)]
pub(super) struct LineBuffer(Vec<u8>);

impl LineBuffer {
    /// Takes bytes and gives out every line that they finish, without its line break. Of a line longer than `max`
    /// bytes the rest is dropped, a few bytes past `max` excepted, so that the reader can tell that it was cut.
    pub(super) fn push(&mut self, bytes: &[u8], max: usize, mut emit: impl FnMut(&[u8])) {
        let keep = max.saturating_add(4);
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ended) = match piece {
                [text @ .., b'\n'] => (text, true),
                text => (text, false),
            };
            let room = keep.saturating_sub(self.0.len());
            self.0.extend_from_slice(&text[..text.len().min(room)]);
            if ended {
                emit(&self.0);
                self.0.clear();
            }
        }
    }

    /// Gives out the line that has no line break, if there is one.
    pub(super) fn finish(&mut self, mut emit: impl FnMut(&[u8])) {
        if !self.0.is_empty() {
            emit(&self.0);
            self.0 = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_no_more_than_it_may() {
        let mut buffer = LineBuffer::default();
        let mut lines = Vec::new();
        for _ in 0..1_000 {
            buffer.push(&[b'x'; 100], 10, |line| lines.push(line.len()));
        }
        buffer.push(b"\nshort\n\n", 10, |line| lines.push(line.len()));
        buffer.finish(|line| lines.push(line.len()));
        assert_eq!(lines, [14, 5, 0]);
    }
}
