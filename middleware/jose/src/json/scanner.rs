//! The words of JSON (RFC 8259): white space, literals, strings and numbers.

use std::borrow::Cow;

/// Why a text is not JSON.
pub(super) type Fault = &'static str;

pub(super) const ENDS_EARLY: Fault = "the text ends early";
pub(super) const NO_VALUE: Fault = "expected a value";

/// A number, in the widest type that holds it exactly; a float, where none does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Natural(u64),
    Negative(i64),
    Float(f64),
}

/// A place in a text.
pub(super) struct Scanner<'de> {
    text: &'de str,
    at: usize,
}

impl<'de> Scanner<'de> {
    pub(super) fn new(text: &'de str) -> Self {
        Self { text, at: 0 }
    }

    /// How many bytes lie behind.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Goes to the end of the text, wherever it was.
    pub(super) fn give_up(&mut self) {
        self.text = &self.text[self.text.len()..];
        self.at = 0;
    }

    /// The first character of the next word. It stays where it is; white space before it does not.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            match self.here()? {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                other => return Some(other),
            }
        }
    }

    /// Takes the next word, if it is this one character.
    #[inline]
    pub(super) fn take(&mut self, word: u8) -> bool {
        let found = self.peek() == Some(word);
        self.at += usize::from(found);
        found
    }

    /// Takes the character that is here.
    #[inline]
    pub(super) fn advance(&mut self) {
        self.at += 1;
    }

    /// Takes the word that begins here, which must be this one.
    pub(super) fn literal(&mut self, word: &str) -> Result<(), Fault> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(NO_VALUE);
        }
        self.at += word.len();
        Ok(())
    }

    /// Takes the string whose opening quote is here.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Cow<'de, str>, Fault> {
        self.at += 1;
        let start = self.at;
        let end = self.plain()?;
        if end == b'\\' {
            return self.unescaped(start).map(Cow::Owned);
        }
        let text = &self.text[start..self.at];
        self.at += 1;
        Ok(Cow::Borrowed(text))
    }

    /// Takes the number that begins here.
    pub(super) fn number(&mut self) -> Result<Number, Fault> {
        let start = self.at;
        let negative = self.skip(b'-');
        let whole = self.digits()?;
        if whole.len() > 1 && whole.starts_with('0') {
            return Err("a number begins with 0");
        }
        let mut integer = true;
        if self.skip(b'.') {
            integer = false;
            self.digits()?;
        }
        if self.skip(b'e') || self.skip(b'E') {
            integer = false;
            let _ = self.skip(b'+') || self.skip(b'-');
            self.digits()?;
        }
        let text = &self.text[start..self.at];
        let exact = match negative {
            _ if !integer => None,
            false => text.parse().ok().map(Number::Natural),
            // Only a float has a zero with a sign.
            true if whole == "0" => None,
            true => text.parse().ok().map(Number::Negative),
        };
        let float = || text.parse().ok().filter(|float: &f64| float.is_finite()).map(Number::Float);
        exact.or_else(float).ok_or("a number is out of range")
    }

    #[inline]
    fn here(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip(&mut self, byte: u8) -> bool {
        let found = self.here() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn digits(&mut self) -> Result<&'de str, Fault> {
        let start = self.at;
        while self.here().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if start == self.at { Err("expected a digit") } else { Ok(&self.text[start..self.at]) }
    }

    /// Goes to the next character of a string that does not stand for itself: its end, or a backslash.
    #[inline]
    fn plain(&mut self) -> Result<u8, Fault> {
        self.at += plain_bytes(&self.text.as_bytes()[self.at..]);
        match self.here() {
            Some(end @ (b'"' | b'\\')) => Ok(end),
            Some(_) => Err("a control character is in a string"),
            None => Err(ENDS_EARLY),
        }
    }

    /// Takes the rest of a string of which all since `start` stands for itself, up to the backslash that is here.
    #[cold]
    fn unescaped(&mut self, start: usize) -> Result<String, Fault> {
        let mut text = self.text[start..self.at].to_owned();
        loop {
            self.at += 1;
            text.push(self.escape()?);
            let start = self.at;
            let end = self.plain()?;
            text.push_str(&self.text[start..self.at]);
            if end == b'"' {
                self.at += 1;
                return Ok(text);
            }
        }
    }

    /// What is behind a backslash.
    fn escape(&mut self) -> Result<char, Fault> {
        let escape = self.here().ok_or(ENDS_EARLY)?;
        self.at += 1;
        Ok(match escape {
            b'"' | b'\\' | b'/' => char::from(escape),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.code_point(),
            _ => return Err("there is no such escape"),
        })
    }

    /// What is behind `\u`: a UTF-16 code unit, or the first of a pair.
    fn code_point(&mut self) -> Result<char, Fault> {
        let unit = self.code_unit()?;
        if let Some(character) = char::from_u32(unit.into()) {
            return Ok(character);
        }
        let other = if self.skip(b'\\') && self.skip(b'u') { self.code_unit()? } else { 0 };
        let pair = char::decode_utf16([unit, other]).next();
        pair.and_then(Result::ok).ok_or("half a surrogate pair is in a string")
    }

    fn code_unit(&mut self) -> Result<u16, Fault> {
        let digits = self.text.get(self.at..self.at + 4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        self.at += 4;
        digits.and_then(|digits| u16::from_str_radix(digits, 16).ok()).ok_or("an escape has no four digits")
    }
}

/// How many bytes of a string come before the first that does not stand for itself. Eight are looked at in one step:
/// most of a token's claims is strings.
#[inline]
fn plain_bytes(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let found = not_plain(u64::from_le_bytes(*word));
        if found != 0 {
            return 8 * at + found.trailing_zeros() as usize / 8;
        }
    }
    let is_plain = |byte: &u8| !matches!(byte, b'"' | b'\\' | 0..0x20);
    8 * words.len() + rest.iter().position(|byte| !is_plain(byte)).unwrap_or(rest.len())
}

/// Marks by their highest bit the bytes that are a quote, a backslash or a control character. The lowest mark is true;
/// above it a borrow may have made more.
#[inline]
fn not_plain(word: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = ONES << 7;
    let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word;
    let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (below(word, 0x20) | is(b'"') | is(b'\\')) & HIGHS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_plain_or_not_wherever_it_lies() {
        for byte in 0..=u8::MAX {
            let plain = !matches!(byte, b'"' | b'\\' | 0..0x20);
            for at in 0..24 {
                for around in [b'a', 0xff, 0x20, 0x80] {
                    let mut bytes = [around; 24];
                    bytes[at] = byte;
                    assert_eq!(plain_bytes(&bytes), if plain { 24 } else { at }, "{byte} at {at} among {around}");
                }
            }
        }
        assert_eq!((plain_bytes(b""), plain_bytes(b"abc"), plain_bytes(b"12345678\"\"")), (0, 3, 8));
    }
}
