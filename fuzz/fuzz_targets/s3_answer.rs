//! What a bucket's service answers, read by the server. The reader is std and nothing else: it is taken as it lies there.
#![no_main]

#[path = "../../crates/alcyon-server/src/blobs/s3/xml.rs"]
mod xml;

libfuzzer_sys::fuzz_target!(|document: &str| {
    let _ = xml::error_code(document);
    assert_ne!(xml::upload_id(document), Some(String::new()));
    let _ = xml::uploads(document);
    if let Some(page) = xml::objects(document) {
        // Nothing is read out of a document that a cut has shortened by its last tag.
        let end = document.trim_end().len() - 1;
        assert!(document.is_char_boundary(end) && xml::objects(&document[..end]).is_none(), "{page:?}");
    }
    xml::texts(document, |open, _| assert!(!open.is_empty() && open.iter().all(|name| !name.is_empty())));
});
