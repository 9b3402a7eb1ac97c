//! As much of HTML as a preview needs: what the head of a page says about it. Nothing is run, and what is malformed is passed over.

/// What a head says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) title: String,
    pub(super) description: String,
    /// As the page gives it.
    pub(super) image: Option<String>,
}

/// The bytes as text: UTF-8, or what the header calls Latin.
pub(super) fn decoded(bytes: &[u8], media_type: &str) -> String {
    let latin = ["iso-8859-1", "windows-1252", "latin1"].iter().any(|name| media_type.contains(name));
    if latin { bytes.iter().map(|byte| char::from(*byte)).collect() } else { String::from_utf8_lossy(bytes).into_owned() }
}

/// Reads a page up to its body.
pub(super) fn head_of(page: &str) -> Head {
    let mut head = Head::default();
    let (mut open_title, mut open_description) = (None, None);
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        rest = rest.get(at + 1..).unwrap_or_default();
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.find("-->").and_then(|end| comment.get(end + 3..)).unwrap_or_default();
            continue;
        }
        let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '/').collect::<String>().to_ascii_lowercase();
        match name.as_str() {
            "body" | "/head" => break,
            "script" | "style" | "template" | "noscript" => {
                let end = format!("</{name}");
                rest = find_ignoring_case(rest, &end).and_then(|at| rest.get(at..)).unwrap_or_default();
            }
            "title" if head.title.is_empty() => {
                let inside = rest.find('>').and_then(|at| rest.get(at + 1..)).unwrap_or_default();
                let end = find_ignoring_case(inside, "</title").unwrap_or(0);
                head.title = plain(inside.get(..end).unwrap_or_default());
                rest = inside.get(end..).unwrap_or_default();
            }
            "meta" => {
                let (attributes, behind) = attributes(rest.get(4..).unwrap_or_default());
                rest = behind;
                let of = |wanted: &str| attributes.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
                let Some(content) = of("content").map(|content| plain(&content)).filter(|content| !content.is_empty()) else { continue };
                match of("property").or_else(|| of("name")).unwrap_or_default().to_ascii_lowercase().as_str() {
                    "og:title" => open_title = open_title.or(Some(content)),
                    "og:description" => open_description = open_description.or(Some(content)),
                    "description" if head.description.is_empty() => head.description = content,
                    "og:image" | "og:image:url" | "og:image:secure_url" => head.image = head.image.or(Some(content)),
                    _ => {}
                }
            }
            _ => {}
        }
    }
    head.title = open_title.unwrap_or(head.title);
    head.description = open_description.unwrap_or(head.description);
    head
}

fn find_ignoring_case(text: &str, wanted: &str) -> Option<usize> {
    text.as_bytes().windows(wanted.len()).position(|part| part.eq_ignore_ascii_case(wanted.as_bytes()))
}

/// Attributes of a tag, names in small letters, and what stands behind the tag.
fn attributes(mut rest: &str) -> (Vec<(String, String)>, &str) {
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        if rest.is_empty() {
            return (found, rest);
        }
        if let Some(behind) = rest.strip_prefix('>') {
            return (found, behind);
        }
        let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '=' | '>' | '/')).unwrap_or(rest.len());
        let name = rest.get(..end.max(1)).unwrap_or_default().to_ascii_lowercase();
        rest = rest.get(end..).unwrap_or_default().trim_start();
        if end == 0 {
            // Something that is no name: passed over.
            let mut chars = rest.chars();
            chars.next();
            rest = chars.as_str();
        }
        let mut value = String::new();
        if let Some(after) = rest.strip_prefix('=') {
            let after = after.trim_start();
            let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''));
            let (inside, behind) = match quote {
                Some(quote) => {
                    let inside = after.get(1..).unwrap_or_default();
                    let end = inside.find(quote).unwrap_or(inside.len());
                    (inside.get(..end).unwrap_or_default(), inside.get(end + 1..).unwrap_or_default())
                }
                None => after.split_at(after.find(|c: char| c.is_whitespace() || c == '>').unwrap_or(after.len())),
            };
            value = inside.to_owned();
            rest = behind;
        }
        found.push((name, value));
    }
}

/// Characters instead of their names, one blank for many, nothing that controls a screen.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(rest.get(..at).unwrap_or_default());
        rest = rest.get(at..).unwrap_or_default();
        let end = rest.char_indices().take(12).find(|(_, c)| *c == ';').map(|(end, _)| end);
        let named = end.and_then(|end| named(rest.get(1..end).unwrap_or_default()));
        match (named, end) {
            (Some(c), Some(end)) => {
                plain.push(c);
                rest = rest.get(end + 1..).unwrap_or_default();
            }
            _ => {
                plain.push('&');
                rest = rest.get(1..).unwrap_or_default();
            }
        }
    }
    plain.push_str(rest);
    let words = plain.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

fn named(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let number = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(number);
    }
    const NAMES: [(&str, char); 22] = [
        ("amp", '&'),
        ("lt", '<'),
        ("gt", '>'),
        ("quot", '"'),
        ("apos", '\''),
        ("nbsp", ' '),
        ("eacute", 'é'),
        ("egrave", 'è'),
        ("ecirc", 'ê'),
        ("agrave", 'à'),
        ("acirc", 'â'),
        ("ccedil", 'ç'),
        ("ocirc", 'ô'),
        ("ucirc", 'û'),
        ("ugrave", 'ù'),
        ("icirc", 'î'),
        ("laquo", '«'),
        ("raquo", '»'),
        ("rsquo", '’'),
        ("hellip", '…'),
        ("ndash", '–'),
        ("mdash", '—'),
    ];
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, c)| *c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_says_what_a_page_is() {
        let page = "<!DOCTYPE html><html><HEAD><!-- <title>no</title> --><script>'<title>no</title>'</script>
            <Title lang=fr>Les  martins-p&ecirc;cheurs\n &amp; la mer &#x1F30A;</tITLE>
            <meta name=description content='Des oiseaux &laquo;bleus&raquo;'><meta charset=utf-8 /><meta property=\"og:image\" content=/a.jpg>
            </head><body><title>no</title><meta name=description content=no>";
        let expected = Head {
            title: "Les martins-pêcheurs & la mer 🌊".to_owned(),
            description: "Des oiseaux «bleus»".to_owned(),
            image: Some("/a.jpg".to_owned()),
        };
        assert_eq!(head_of(page), expected);
        let open = head_of("<title>plain</title><meta property='og:title' content='Better'><meta content='About' property=og:description>");
        assert_eq!((open.title.as_str(), open.description.as_str()), ("Better", "About"));
        assert_eq!(head_of("<title>\u{1b}[2Jx\u{0}y</title>").title, "[2Jx y");
        assert_eq!(decoded(b"\xe9t\xe9", "text/html; charset=iso-8859-1"), "été");
    }

    #[test]
    fn whatever_stands_there_it_comes_to_an_end() {
        for page in [
            "",
            "<",
            "<title",
            "<title>",
            "<meta",
            "<meta =",
            "<meta = = '",
            "<meta content=\"",
            "<!--",
            "<script",
            "&",
            "&#;",
            "<title>&#xffffffff;&x</title>",
            "<meta é='ü'",
            "<<<>>>",
        ] {
            let head = head_of(page);
            assert!(head.title.len() < 40, "{page}");
        }
    }

    proptest::proptest! {
        #[test]
        fn anything_is_read_without_a_panic(page in "[<>a-z='\"&;#!/ é-]{0,60}(<(meta|title|script)[^>]{0,20}>?){0,4}") {
            head_of(&page);
        }
    }
}
