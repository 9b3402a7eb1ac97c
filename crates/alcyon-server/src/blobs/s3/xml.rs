//! What S3 answers: XML that machines write, of which a few texts are wanted.

use std::borrow::Cow;

/// Goes through a document and hands on every element that holds text and no elements: the names above it, its own, its text.
/// False if the document is broken off or its tags do not match; what was handed on by then counts for nothing.
///
/// It knows what services write: a declaration, attributes (passed over), comments, the five named entities and numbered ones.
pub(super) fn texts<'a>(document: &'a str, mut found: impl FnMut(&[&'a str], Cow<'a, str>)) -> bool {
    let mut open: Vec<&'a str> = Vec::new();
    let mut rest = document;
    // Whether the innermost open element has shown no element in it so far.
    let mut leaf = false;
    let mut rooted = false;
    while let Some(start) = rest.find('<') {
        let (text, tag) = (&rest[..start], &rest[start + 1..]);
        if let Some(comment) = tag.strip_prefix("!--") {
            let Some(end) = comment.find("-->") else { return false };
            rest = &comment[end + 3..];
            continue;
        }
        let Some(end) = tag.find('>') else { return false };
        let (inside, behind) = (&tag[..end], &tag[end + 1..]);
        rest = behind;
        if inside.starts_with('?') {
            continue;
        }
        if let Some(name) = inside.strip_prefix('/') {
            if open.last() != Some(&name.trim_end()) {
                return false;
            }
            if leaf {
                let Some(text) = unescaped(text) else { return false };
                found(&open, text);
            }
            open.pop();
            leaf = false;
            if open.is_empty() {
                return rest.trim().is_empty();
            }
            continue;
        }
        if rooted && open.is_empty() || open.len() > DEPTH {
            return false;
        }
        rooted = true;
        let (inside, empty) = inside.strip_suffix('/').map_or((inside, false), |inside| (inside, true));
        let name = inside.split_ascii_whitespace().next().unwrap_or_default();
        if name.is_empty() || name.starts_with('!') {
            return false;
        }
        leaf = !empty;
        if empty {
            open.push(name);
            found(&open, Cow::Borrowed(""));
            open.pop();
        } else {
            open.push(name);
        }
    }
    false
}

/// No answer of S3 is nested as deep.
const DEPTH: usize = 8;

fn unescaped(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('&') {
        return Some(Cow::Borrowed(text));
    }
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('&') {
        let (entity, after) = behind.split_once(';')?;
        whole.push_str(before);
        whole.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            numbered => {
                let number = numbered.strip_prefix('#')?;
                let code = match number.strip_prefix('x') {
                    Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok()?,
                    None => number.parse().ok()?,
                };
                char::from_u32(code)?
            }
        });
        rest = after;
    }
    whole.push_str(rest);
    Some(Cow::Owned(whole))
}

/// The text of the first element at this path.
fn text_at(document: &str, path: &[&str]) -> Option<String> {
    let mut text = None;
    let whole = texts(document, |open, found| {
        if open == path && text.is_none() {
            text = Some(found.into_owned());
        }
    });
    text.filter(|_| whole)
}

/// `Code` of an error.
pub(super) fn error_code(document: &str) -> Option<String> {
    text_at(document, &["Error", "Code"])
}

/// `UploadId` of a multipart upload that has begun.
pub(super) fn upload_id(document: &str) -> Option<String> {
    text_at(document, &["InitiateMultipartUploadResult", "UploadId"]).filter(|id| !id.is_empty())
}

/// A page of a bucket's objects.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Objects {
    /// Keys and sizes, in order.
    pub(super) objects: Vec<(String, u64)>,
    /// What the next page is asked for by.
    pub(super) next: Option<String>,
}

/// The answer to `ListObjectsV2`.
pub(super) fn objects(document: &str) -> Option<Objects> {
    const ROOT: &str = "ListBucketResult";
    let (mut page, mut truncated, mut key, mut size, mut lists) = (Objects::default(), false, None, None, false);
    let whole = texts(document, |open, text| {
        match open {
            [ROOT, "IsTruncated"] => (truncated, lists) = (text == "true", true),
            [ROOT, "NextContinuationToken"] => page.next = Some(text.into_owned()),
            [ROOT, "Contents", "Key"] => key = Some(text.into_owned()),
            [ROOT, "Contents", "Size"] => size = text.parse().ok(),
            _ => {}
        }
        if key.is_some()
            && size.is_some()
            && let (Some(key), Some(size)) = (key.take(), size.take())
        {
            page.objects.push((key, size));
        }
    });
    page.next = page.next.filter(|_| truncated);
    let complete = whole && lists && key.is_none() && size.is_none() && truncated == page.next.is_some();
    complete.then_some(page)
}

/// A page of the multipart uploads that have begun and not ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Uploads {
    /// Keys and upload ids.
    pub(super) uploads: Vec<(String, String)>,
    /// What the next page is asked for by: the markers of a key and of an upload.
    pub(super) next: Option<(String, String)>,
}

/// The answer to `ListMultipartUploads`.
pub(super) fn uploads(document: &str) -> Option<Uploads> {
    const ROOT: &str = "ListMultipartUploadsResult";
    let (mut page, mut truncated, mut key, mut id) = (Uploads::default(), false, None, None);
    let (mut next_key, mut next_id) = (None, None);
    let whole = texts(document, |open, text| {
        match open {
            [ROOT, "IsTruncated"] => truncated = text == "true",
            [ROOT, "NextKeyMarker"] => next_key = Some(text.into_owned()),
            [ROOT, "NextUploadIdMarker"] => next_id = Some(text.into_owned()),
            [ROOT, "Upload", "Key"] => key = Some(text.into_owned()),
            [ROOT, "Upload", "UploadId"] => id = Some(text.into_owned()),
            _ => {}
        }
        if key.is_some()
            && id.is_some()
            && let (Some(key), Some(id)) = (key.take(), id.take())
        {
            page.uploads.push((key, id));
        }
    });
    if truncated {
        page.next = Some((next_key?, next_id?));
    }
    whole.then_some(page)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn answers_as_services_write_them() {
        let begun = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<InitiateMultipartUploadResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <Bucket>b</Bucket><Key>k</Key><UploadId>a&amp;b&#x41;&#66;</UploadId></InitiateMultipartUploadResult>\n";
        assert_eq!(upload_id(begun).as_deref(), Some("a&bAB"));
        let error = "<Error><Code>NoSuchKey</Code><Message>x &lt; y</Message><Resource/></Error>";
        assert_eq!(error_code(error).as_deref(), Some("NoSuchKey"));
        assert_eq!(error_code("<html><body>Bad Gateway</body></html>"), None);
        let list = "<ListBucketResult><Name>b</Name><!-- <a> --><Prefix/><IsTruncated>true</IsTruncated>\
             <Contents><Key>p/a</Key><LastModified>x</LastModified><ETag>&quot;1&quot;</ETag><Size>5</Size><Owner><ID>o</ID></Owner></Contents>\
             <Contents><Size>6</Size><Key>p/b</Key></Contents><NextContinuationToken>t</NextContinuationToken></ListBucketResult>";
        let expected = Objects { objects: vec![("p/a".into(), 5), ("p/b".into(), 6)], next: Some("t".into()) };
        assert_eq!(objects(list), Some(expected));
        let none = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
        assert_eq!(objects(none), Some(Objects::default()));
        let under_way = "<ListMultipartUploadsResult><KeyMarker></KeyMarker><NextKeyMarker>k</NextKeyMarker><NextUploadIdMarker>i</NextUploadIdMarker>\
             <IsTruncated>true</IsTruncated><Upload><Key>k</Key><UploadId>i</UploadId><Initiator><ID>x</ID></Initiator></Upload></ListMultipartUploadsResult>";
        let expected = Uploads { uploads: vec![("k".into(), "i".into())], next: Some(("k".into(), "i".into())) };
        assert_eq!(uploads(under_way), Some(expected));
    }

    #[test]
    fn what_is_broken_is_no_answer() {
        let list = "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a</Key><Size>1</Size></Contents></ListBucketResult>";
        assert!(objects(list).is_some());
        for cut in 1..list.len() {
            assert_eq!(objects(&list[..cut]), None, "{}", &list[..cut]);
        }
        for broken in [
            "",
            "no XML",
            "<a></b>",
            "<a/><b/>",
            "<ListBucketResult></ListBucketResult>",
            "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
            "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a</Key><Size>x</Size></Contents></ListBucketResult>",
            "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>more",
            "<ListBucketResult><IsTruncated>&what;</IsTruncated></ListBucketResult>",
            "<!DOCTYPE a><ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>",
        ] {
            assert_eq!(objects(broken), None, "{broken}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_to_an_end(text in "\\PC*") {
            texts(&text, |_, _| {});
        }

        #[test]
        fn any_tags_are_read_to_an_end(text in "[<>/a&;#!? -]{0,60}") {
            texts(&text, |_, _| {});
        }

        #[test]
        fn a_text_comes_back_as_it_was(text in "\\PC{0,20}") {
            let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            prop_assert_eq!(text_at(&format!("<Error><Code>{escaped}</Code></Error>"), &["Error", "Code"]), Some(text));
        }
    }
}
