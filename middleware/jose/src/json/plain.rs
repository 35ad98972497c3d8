//! JSON as nearly every token's payload is written: strings without escapes, and whole numbers.

use std::borrow::Cow;

use super::names::Names;
use crate::NumericDate;

/// A text that may be written plainly, read by whoever knows what to expect in it.
///
/// Every method gives `None` where the text goes on in another way: it may be no JSON, hold what [strict](super) reading
/// refuses, or be written with an escape or a fraction. Which of these it is, is not for this type to say: whoever gets
/// a `None` begins again with strict reading. What it gives, strict reading would give too.
///
/// Half the price of a parser that has to say what is wrong, and to whom.
#[derive(Debug)]
pub struct Plain<'a> {
    rest: &'a str,
    /// How many levels may still be opened.
    levels: u8,
}

/// What the next value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// A number.
    Number,
    /// A list.
    List,
    /// An object.
    Object,
    /// `true`, `false` or `null`.
    Literal,
}

impl<'a> Plain<'a> {
    pub(super) fn new(text: &'a str, depth: u8) -> Self {
        Self { rest: text, levels: depth }
    }

    /// What the next value is.
    #[inline]
    pub fn kind(&mut self) -> Option<Kind> {
        match self.peek()? {
            b'"' => Some(Kind::Text),
            b'0'..=b'9' => Some(Kind::Number),
            b'[' => Some(Kind::List),
            b'{' => Some(Kind::Object),
            b't' | b'f' | b'n' => Some(Kind::Literal),
            _ => None,
        }
    }

    /// A string.
    #[inline]
    pub fn text(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let (text, rest) = self.rest.split_at_checked(plain_bytes(self.rest.as_bytes()))?;
        self.rest = rest.strip_prefix('"')?;
        Some(text)
    }

    /// A number that is whole and not negative, of 19 digits at most: these any `u64` holds.
    pub fn natural(&mut self) -> Option<u64> {
        let starts_with_zero = self.peek()? == b'0';
        let length = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, after) = self.rest.split_at_checked(length)?;
        // A fraction or an exponent is in the place of what has to come next.
        if !(1..=19).contains(&length) || (starts_with_zero && length > 1) {
            return None;
        }
        self.rest = after;
        Some(digits.bytes().fold(0, |number, digit| 10 * number + u64::from(digit - b'0')))
    }

    /// A time.
    pub fn date(&mut self) -> Option<NumericDate> {
        NumericDate::from_secs(self.natural()?)
    }

    /// `true` or `false`.
    pub fn boolean(&mut self) -> Option<bool> {
        match self.peek()? {
            b't' => self.literal("true").map(|()| true),
            _ => self.literal("false").map(|()| false),
        }
    }

    /// A list, of which the function reads each element.
    pub fn list(&mut self, mut element: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.open(b'[')?;
        if self.peek()? != b']' {
            element(self)?;
            while self.take(b',').is_some() {
                element(self)?;
            }
        }
        self.close(b']')
    }

    /// An object, of which the function gets each name, and reads the value. No name comes twice.
    pub fn object(&mut self, mut member: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        self.open(b'{')?;
        if self.peek()? != b'}' {
            let mut names = Names::new();
            loop {
                let name = self.text()?;
                self.take(b':')?;
                if !names.insert(Cow::Borrowed(name)) {
                    return None;
                }
                member(self, name)?;
                if self.take(b',').is_none() {
                    break;
                }
            }
        }
        self.close(b'}')
    }

    /// Any value, of which nothing is wanted.
    pub fn ignore(&mut self) -> Option<()> {
        match self.kind()? {
            Kind::Text => self.text().map(drop),
            Kind::Number => self.natural().map(drop),
            Kind::List => self.list(Self::ignore),
            Kind::Object => self.object(|plain, _| plain.ignore()),
            Kind::Literal if self.rest.starts_with('n') => self.literal("null"),
            Kind::Literal => self.boolean().map(drop),
        }
    }

    /// That there is nothing more.
    pub(super) fn end(&mut self) -> Option<()> {
        self.peek().is_none().then_some(())
    }

    fn open(&mut self, bracket: u8) -> Option<()> {
        self.take(bracket)?;
        self.levels = self.levels.checked_sub(1)?;
        Some(())
    }

    fn close(&mut self, bracket: u8) -> Option<()> {
        self.take(bracket)?;
        self.levels += 1;
        Some(())
    }

    fn literal(&mut self, word: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(word)?;
        Some(())
    }

    /// Takes the next byte that is no white space, if it is this one.
    #[inline]
    fn take(&mut self, byte: u8) -> Option<()> {
        if self.peek()? != byte {
            return None;
        }
        self.rest = self.rest.get(1..)?;
        Some(())
    }

    /// The next byte that is no white space, which is left behind.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        let byte = *self.rest.as_bytes().first()?;
        if byte > b' ' { Some(byte) } else { self.peek_beyond() }
    }

    /// Most payloads have no white space.
    #[cold]
    fn peek_beyond(&mut self) -> Option<u8> {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
        self.rest.as_bytes().first().copied()
    }
}

/// How many bytes of a string come before the first that does not stand for itself: a quote, a backslash or a control
/// character. Eight are looked at in one step: most of a payload is strings.
///
/// Not inline, so that what words are compared with stays in registers.
#[inline(never)]
fn plain_bytes(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let Some((word, after)) = rest.split_first_chunk() {
        let found = not_plain(u64::from_le_bytes(*word));
        if found != 0 {
            return bytes.len() - rest.len() + found.trailing_zeros() as usize / 8;
        }
        rest = after;
    }
    let is_plain = |byte: &u8| !matches!(byte, b'"' | b'\\' | 0..0x20);
    bytes.len() - rest.iter().position(|byte| !is_plain(byte)).map_or(0, |at| rest.len() - at)
}

/// Marks by their highest bit the bytes that are not plain. The lowest mark is true; above it a borrow may have made
/// more.
#[inline]
fn not_plain(word: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const fn all(byte: u8) -> u64 {
        ONES * byte as u64
    }
    let quote = (word ^ all(b'"')).wrapping_sub(ONES);
    let backslash = (word ^ all(b'\\')).wrapping_sub(ONES);
    let control = word.wrapping_sub(all(0x20));
    (quote | backslash | control) & !word & all(0x80)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::json::{MAX_DEPTH, from_slice};

    #[test]
    fn every_byte_is_plain_or_not_wherever_it_lies() {
        for byte in 0..=u8::MAX {
            let plain = !matches!(byte, b'"' | b'\\' | 0..0x20);
            for at in 0..24 {
                for around in [b'a', 0xff, 0x20, 0x80, b'#', b']', b'!'] {
                    let mut bytes = [around; 24];
                    bytes[at] = byte;
                    assert_eq!(plain_bytes(&bytes), if plain { 24 } else { at }, "{byte} at {at} among {around}");
                }
            }
        }
        assert_eq!((plain_bytes(b""), plain_bytes(b"abc"), plain_bytes(b"12345678\"\"")), (0, 3, 8));
    }

    /// Everything that is there, as a value.
    fn value(plain: &mut Plain<'_>) -> Option<Value> {
        match plain.kind()? {
            Kind::Text => plain.text().map(Into::into),
            Kind::Number => plain.natural().map(Into::into),
            Kind::Literal if plain.rest.starts_with('n') => plain.ignore().map(|()| Value::Null),
            Kind::Literal => plain.boolean().map(Into::into),
            Kind::List => {
                let mut list = Vec::new();
                plain.list(|plain| {
                    list.push(value(plain)?);
                    Some(())
                })?;
                Some(list.into())
            }
            Kind::Object => {
                let mut object = serde_json::Map::new();
                plain.object(|plain, name| {
                    object.insert(name.to_owned(), value(plain)?);
                    Some(())
                })?;
                Some(object.into())
            }
        }
    }

    fn read(text: &str, depth: u8) -> Option<Value> {
        let mut plain = Plain::new(text, depth);
        let value = value(&mut plain)?;
        plain.end()?;
        let mut ignoring = Plain::new(text, depth);
        assert_eq!(ignoring.ignore().and_then(|()| ignoring.end()), Some(()), "{text}");
        Some(value)
    }

    #[test]
    fn jwt_a21_what_is_written_plainly_is_read() {
        let plain = [
            r#"{}"#,
            r#"{"a":"b","c":[1,"d",true,false,null,{}],"e":{"f":{"g":0}}}"#,
            " {\t\"a\" :\r\n [ ] , \"b\":[1 , 2]}\n",
            r#"{"é":"日本","emp":"","n":9999999999999999999,"l":"0123456789abcdef0123456789"}"#,
        ];
        for text in plain {
            assert_eq!(read(text, MAX_DEPTH), from_slice(text.as_bytes()).ok(), "{text}");
            assert!(read(text, MAX_DEPTH).is_some(), "{text}");
        }
        assert!(read(r#"{"a":[[]]}"#, 3).is_some());
    }

    #[test]
    fn jwt_a21_what_is_not_is_left_to_strict_reading() {
        let others = [
            "",
            " ",
            "{",
            "}",
            "[",
            "{]",
            "[}",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[1",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{"a":1"b":2}"#,
            r#"{a:1}"#,
            r#"{"a":1}}"#,
            r#"{"a":1} x"#,
            r#"{1:1}"#,
            "01",
            "00",
            "-1",
            "1.5",
            "1e3",
            "1E3",
            "18446744073709551616",
            "18446744073709551615",
            "tru",
            "truex",
            "nul",
            "False",
            "+1",
            "\"",
            "\"a",
            "\"\\n\"",
            "\"\\u0061\"",
            "\"a\nb\"",
            "\"\u{0}\"",
            "\u{c}[]",
            "[\u{b}1]",
            r#"{"a":1,"a":1}"#,
            r#"[{"a":{"b":1,"b":1}}]"#,
            r#"{"a":1,"\u0061":2}"#,
        ];
        for text in others {
            assert_eq!(Plain::new(text, MAX_DEPTH).ignore().and(None::<()>), None);
            let mut plain = Plain::new(text, MAX_DEPTH);
            assert_eq!(value(&mut plain).and_then(|value| plain.end().map(|()| value)), None, "{text}");
        }
        let mut deep = Plain::new(r#"{"a":[[]]}"#, 2);
        assert_eq!(deep.ignore(), None);
    }

    proptest::proptest! {
        #[test]
        fn jwt_a21_what_is_read_plainly_is_what_is_read_strictly(
            text in r#"[{}\[\]",:a01 tnue\\.-]{0,24}|\{("[ab]{0,2}":("[a-c]{0,9}"|[0-9]{1,3}|null|\[\]|\{\}|\["a"\]),?){0,4}\}"#,
        ) {
            let mut plain = Plain::new(&text, MAX_DEPTH);
            if let Some(value) = value(&mut plain).and_then(|value| plain.end().map(|()| value)) {
                proptest::prop_assert_eq!(from_slice::<Value>(text.as_bytes()).ok(), Some(value));
            }
        }
    }
}
