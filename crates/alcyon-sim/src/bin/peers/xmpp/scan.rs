//! A scanner for XMPP streams (RFC 6120): it cuts the bytes of a stream into its header, complete stanzas and its end.
//!
//! It knows as much XML as a stream may hold: elements, attributes in either quote, the predefined entities and character
//! references. Comments, processing instructions after the first one, and document types are forbidden there (section 11.1), CDATA is
//! allowed but no server we talk to sends it: each is refused, never misread. Names of end tags are not compared.

use std::fmt;

use bytes::{Buf, Bytes, BytesMut};

/// The largest stanza that is taken, bytes.
const LARGEST: usize = 1024 * 1024;

/// Bytes that are read at once, more or less.
const ROOM: usize = 8 * 1024;

/// What a stream consists of.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// The header of the stream.
    Open,
    /// A complete first-level element.
    Stanza(Stanza),
    /// The end of the stream.
    Close,
}

/// Why a stream can't be read on; the connection is to be given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// Text between stanzas.
    #[error("text between stanzas")]
    StrayText,
    /// A comment, a processing instruction, a document type or CDATA.
    #[error("markup that a stream may not hold")]
    Forbidden,
    /// An end without a beginning, or a stream that ends before it has begun.
    #[error("an end without a beginning")]
    Unbalanced,
    /// A stanza beyond all measure.
    #[error("a stanza of more than {LARGEST} bytes")]
    TooLarge,
}

/// Cuts a stream into pieces, however its bytes arrive.
#[derive(Debug, Default)]
pub struct Scanner {
    buffer: BytesMut,
    /// Bytes of the buffer that have been looked at.
    seen: usize,
    /// Elements that are open: the stream is the first.
    depth: usize,
    /// Where the markup begins that `seen` lies in.
    markup: Option<usize>,
    /// The quote that an attribute's value is in.
    quote: Option<u8>,
    /// Where the stanza begins that `seen` lies in.
    stanza: usize,
}

impl Scanner {
    /// Where bytes of the stream are appended; there is room for a few.
    pub fn buffer(&mut self) -> &mut BytesMut {
        if self.buffer.capacity() - self.buffer.len() < ROOM / 4 {
            self.buffer.reserve(ROOM);
        }
        &mut self.buffer
    }

    /// The next piece, if it is complete.
    pub fn next(&mut self) -> Result<Option<Piece>, ScanError> {
        while let Some(byte) = self.buffer.get(self.seen).copied() {
            let Some(begin) = self.markup else {
                self.text(byte)?;
                continue;
            };
            self.seen += 1;
            match (self.quote, byte) {
                (Some(quote), _) if quote == byte => self.quote = None,
                (Some(_), _) => {}
                (None, b'"' | b'\'') => self.quote = Some(byte),
                (None, b'>') => {
                    self.markup = None;
                    if let Some(piece) = self.markup_ended(begin)? {
                        return Ok(Some(piece));
                    }
                }
                (None, _) => {}
            }
        }
        if self.buffer.len() > LARGEST { Err(ScanError::TooLarge) } else { Ok(None) }
    }

    fn text(&mut self, byte: u8) -> Result<(), ScanError> {
        if byte == b'<' {
            self.markup = Some(self.seen);
            if self.depth <= 1 {
                self.stanza = self.seen;
            }
        } else if self.depth <= 1 && !byte.is_ascii_whitespace() {
            return Err(ScanError::StrayText);
        }
        self.seen += 1;
        Ok(())
    }

    fn markup_ended(&mut self, begin: usize) -> Result<Option<Piece>, ScanError> {
        let markup = &self.buffer[begin..self.seen];
        match markup {
            [b'<', b'?', .., b'?', b'>'] if self.depth == 0 => {
                self.cut(begin);
                Ok(None)
            }
            [b'<', b'?' | b'!', ..] => Err(ScanError::Forbidden),
            [b'<', b'/', ..] => match self.depth {
                0 => Err(ScanError::Unbalanced),
                1 => {
                    self.depth = 0;
                    self.cut(begin);
                    Ok(Some(Piece::Close))
                }
                2 => {
                    self.depth = 1;
                    Ok(Some(Piece::Stanza(self.cut(self.stanza))))
                }
                _ => {
                    self.depth -= 1;
                    Ok(None)
                }
            },
            [.., b'/', b'>'] => match self.depth {
                0 => Err(ScanError::Unbalanced),
                1 => Ok(Some(Piece::Stanza(self.cut(self.stanza)))),
                _ => Ok(None),
            },
            _ if self.depth == 0 => {
                self.depth = 1;
                self.cut(begin);
                Ok(Some(Piece::Open))
            }
            _ => {
                self.depth += 1;
                Ok(None)
            }
        }
    }

    /// Takes what has been seen from `begin` on out of the buffer, and drops what stood before it.
    fn cut(&mut self, begin: usize) -> Stanza {
        let mut taken = self.buffer.split_to(self.seen).freeze();
        taken.advance(begin);
        self.seen = 0;
        Stanza(taken)
    }
}

/// A complete first-level element of a stream.
#[derive(Clone, PartialEq, Eq)]
pub struct Stanza(Bytes);

impl fmt::Debug for Stanza {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl Stanza {
    /// Its name, as it is written.
    pub fn name(&self) -> &[u8] {
        name(&self.0)
    }

    /// An attribute of the element itself.
    pub fn attribute(&self, wanted: &str) -> Option<String> {
        let (tag, _) = self.tags().next()?;
        let mut rest = tag.get(1 + name(tag).len()..)?;
        loop {
            rest = rest.trim_ascii_start();
            let equals = rest.iter().position(|byte| *byte == b'=')?;
            let found = rest[..equals].trim_ascii();
            let value = rest[equals + 1..].trim_ascii_start();
            let (quote, value) = value.split_first()?;
            let end = value.iter().position(|byte| byte == quote)?;
            if found == wanted.as_bytes() {
                return Some(unescape(&value[..end]));
            }
            rest = &value[end + 1..];
        }
    }

    /// Whether it, or an element in it, has this name.
    pub fn has(&self, wanted: &str) -> bool {
        self.tags().any(|(tag, _)| name(tag) == wanted.as_bytes())
    }

    /// The text at the beginning of the first element of this name, whether it is this one or in it.
    pub fn text_of(&self, wanted: &str) -> Option<String> {
        self.texts_of(wanted).next()
    }

    /// The text at the beginning of each element of this name.
    pub fn texts_of<'a>(&'a self, wanted: &'a str) -> impl Iterator<Item = String> + 'a {
        self.tags().filter(move |(tag, _)| name(tag) == wanted.as_bytes()).map(|(tag, rest)| {
            let end = if tag.ends_with(b"/>") { Some(0) } else { rest.iter().position(|byte| *byte == b'<') };
            unescape(&rest[..end.unwrap_or(rest.len())])
        })
    }

    /// Its start tags, that of the element itself first, each with what stands behind it.
    fn tags(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest: &[u8] = &self.0;
        std::iter::from_fn(move || {
            loop {
                let begin = rest.iter().position(|byte| *byte == b'<')?;
                let markup = &rest[begin..];
                let (tag, behind) = markup.split_at(tag_length(markup)?);
                rest = behind;
                if tag.get(1) != Some(&b'/') {
                    return Some((tag, behind));
                }
            }
        })
    }
}

/// Up to the `>` that stands in no quotes.
fn tag_length(markup: &[u8]) -> Option<usize> {
    let mut quote = None;
    for (index, byte) in markup.iter().enumerate() {
        match (quote, byte) {
            (Some(open), byte) if open == *byte => quote = None,
            (None, b'"' | b'\'') => quote = Some(*byte),
            (None, b'>') => return Some(index + 1),
            _ => {}
        }
    }
    None
}

fn name(tag: &[u8]) -> &[u8] {
    let inner = tag.get(1..).unwrap_or_default();
    let end = inner.iter().position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>'));
    &inner[..end.unwrap_or(inner.len())]
}

/// Text as it may stand in an element or an attribute.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '&' => escaped += "&amp;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&apos;",
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// The text that was escaped. What is no reference stays as it is.
fn unescape(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut pieces = text.split('&');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match piece.split_once(';').and_then(|(reference, rest)| Some((letter(reference)?, rest))) {
            Some((letter, rest)) => {
                plain.push(letter);
                plain += rest;
            }
            None => {
                plain.push('&');
                plain += piece;
            }
        }
    }
    plain
}

fn letter(reference: &str) -> Option<char> {
    match reference {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        number => {
            let number = number.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER: &str = "<?xml version='1.0'?><stream:stream id='1' xmlns='jabber:client' a=\"'>\">";

    fn pieces(text: &str, chunk: usize) -> Result<Vec<Piece>, ScanError> {
        let mut scanner = Scanner::default();
        let mut found = Vec::new();
        for bytes in text.as_bytes().chunks(chunk.max(1)) {
            scanner.buffer().extend_from_slice(bytes);
            while let Some(piece) = scanner.next()? {
                found.push(piece);
            }
        }
        Ok(found)
    }

    fn stanza(text: &str) -> Stanza {
        Stanza(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn a_stream_is_header_stanzas_and_end() {
        let stanzas = ["<a/>", "<b x='/>'>t</b>", "<c><c>&lt;</c><c/></c>"];
        let text = format!("{HEADER} {} \n {}{}</stream:stream>", stanzas[0], stanzas[1], stanzas[2]);
        let mut wanted = vec![Piece::Open];
        wanted.extend(stanzas.map(|text| Piece::Stanza(stanza(text))));
        wanted.push(Piece::Close);
        for chunk in [1, 2, 3, 7, 1000] {
            assert_eq!(pieces(&text, chunk).as_ref(), Ok(&wanted), "in chunks of {chunk}");
        }
    }

    #[test]
    fn what_a_stream_may_not_hold_is_refused() {
        let refused = |text: &str| pieces(&format!("{HEADER}{text}"), 4).unwrap_err();
        assert_eq!(refused("text"), ScanError::StrayText);
        assert_eq!(refused("<!-- a -->"), ScanError::Forbidden);
        assert_eq!(refused("<a><![CDATA[b]]></a>"), ScanError::Forbidden);
        assert_eq!(refused("<?a?>"), ScanError::Forbidden);
        assert_eq!(pieces("</a>", 4), Err(ScanError::Unbalanced));
        assert_eq!(pieces("<a/>", 4), Err(ScanError::Unbalanced));
        assert_eq!(refused(&format!("<a>{}", "b".repeat(LARGEST))), ScanError::TooLarge);
    }

    #[test]
    fn attributes_and_texts_are_found() {
        let message =
            stanza("<message to='a@b' note=\"it's &lt;&#x41;&#66;&gt; &unknown; &\"><body a='>'>1 &amp; 2</body><x id='7'/></message>");
        assert_eq!(message.name(), b"message");
        assert_eq!(message.attribute("to").as_deref(), Some("a@b"));
        assert_eq!(message.attribute("note").as_deref(), Some("it's <AB> &unknown; &"));
        assert_eq!(message.attribute("id"), None, "that of a child is not its own");
        assert_eq!(message.text_of("body").as_deref(), Some("1 & 2"));
        assert_eq!(message.text_of("x").as_deref(), Some(""));
        assert!(message.has("x") && message.has("message") && !message.has("bod"));
        let features = stanza("<f><m>A</m><m>B</m></f>");
        assert_eq!(features.texts_of("m").collect::<Vec<_>>(), ["A", "B"]);
    }

    fn element() -> impl Strategy<Value = String> {
        let leaf = ("[a-z]{1,4}", "\\PC{0,12}", "\\PC{0,12}", any::<bool>()).prop_map(|(name, value, text, empty)| {
            let (value, text) = (escape(&value), escape(&text));
            if empty { format!("<{name} k='{value}'/>") } else { format!("<{name} k=\"{value}\">{text}</{name}>") }
        });
        leaf.prop_recursive(4, 24, 4, |inner| {
            ("[a-z]{1,4}", prop::collection::vec(inner, 0..4)).prop_map(|(name, inner)| format!("<{name}>{}</{name}>", inner.concat()))
        })
    }

    proptest! {
        #[test]
        fn stanzas_come_out_as_they_went_in(stanzas in prop::collection::vec(element(), 0..6), chunk in 1_usize..64) {
            let text = format!("{HEADER}{}</stream:stream>", stanzas.join("\n"));
            let mut wanted = vec![Piece::Open];
            wanted.extend(stanzas.iter().map(|text| Piece::Stanza(stanza(text))));
            wanted.push(Piece::Close);
            prop_assert_eq!(pieces(&text, chunk), Ok(wanted));
        }

        #[test]
        fn text_comes_back(text in "\\PC{0,40}") {
            let message = stanza(&format!("<m k='{0}'>{0}</m>", escape(&text)));
            prop_assert_eq!(message.attribute("k"), Some(text.clone()));
            prop_assert_eq!(message.text_of("m"), Some(text));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(prop::sample::select(&b"<>/'\"=!? &;#ab"[..]), 0..80), chunk in 1_usize..9) {
            let mut scanner = Scanner::default();
            for bytes in bytes.chunks(chunk) {
                scanner.buffer().extend_from_slice(bytes);
                while let Ok(Some(piece)) = scanner.next() {
                    if let Piece::Stanza(stanza) = piece {
                        let _all = (stanza.name(), stanza.attribute("a"), stanza.text_of("b"), stanza.has("a"));
                    }
                }
            }
        }
    }
}
