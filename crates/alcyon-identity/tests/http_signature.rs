//! The profile of RFC 9421, against the text of the RFC and against changes on the way.
#![allow(clippy::unwrap_used)]

use alcyon_identity::{
    DeviceKey, IdentityError,
    http_signature::{Headers, Request, TOLERANCE_S, sign, verify},
    verify_device,
};
use alcyon_wire::DeviceId;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use proptest::prelude::*;

const NOW: u64 = 1_700_000_000;
const BODY: &[u8] = br#"{"hello": "world"}"#;

fn device() -> DeviceKey {
    DeviceKey::from_bytes(&[2; 32]).unwrap()
}

fn request() -> Request<'static> {
    Request::new("PUT", "sea.example:8443", "/v1/accounts/abc/manifest", BODY).unwrap()
}

#[test]
fn golden_headers() {
    let Headers { signature_input, signature, content_digest } = sign(&request(), &device(), NOW);
    insta::assert_snapshot!(
        "headers",
        format!("Signature-Input: {signature_input}\nSignature: {signature}\nContent-Digest: {content_digest}")
    );
    // The digest of this body in RFC 9421, appendix B.2.
    assert_eq!(content_digest, "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:");
}

#[test]
fn the_signature_base_is_that_of_rfc_9421() {
    let headers = sign(&request(), &device(), NOW);
    let id = device().id().to_text();
    // Written out by hand, section 2.5: a line a component, the parameters last, no line break at the end.
    let base = [
        "\"@method\": PUT".to_owned(),
        "\"@authority\": sea.example:8443".to_owned(),
        "\"@path\": /v1/accounts/abc/manifest".to_owned(),
        "\"content-digest\": sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:".to_owned(),
        format!(
            "\"@signature-params\": (\"@method\" \"@authority\" \"@path\" \"content-digest\");created={NOW};keyid=\"{id}\";alg=\"ed25519\";tag=\"alcyon-device\""
        ),
    ]
    .join("\n");
    let signature = headers.signature.strip_prefix("alcyon=:").unwrap().strip_suffix(':').unwrap();
    verify_device(device().id(), base.as_bytes(), &BASE64.decode(signature.as_bytes()).unwrap()).unwrap();
}

#[test]
fn the_example_of_rfc_9421_appendix_b_2_6_holds() {
    let key = BASE64URL_NOPAD.decode(b"JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs").unwrap();
    let base = "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\"@method\": POST\n\"@path\": /foo\n\"@authority\": example.com\n\
                \"content-type\": application/json\n\"content-length\": 18\n\"@signature-params\": (\"date\" \"@method\" \"@path\" \
                \"@authority\" \"content-type\" \"content-length\");created=1618884473;keyid=\"test-key-ed25519\"";
    let signature = "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==";
    let device = DeviceId::parse(&key, "key").unwrap();
    verify_device(device, base.as_bytes(), &BASE64.decode(signature.as_bytes()).unwrap()).unwrap();
}

#[test]
fn clocks_may_differ_by_the_tolerance_and_no_more() {
    let headers = sign(&request(), &device(), NOW);
    for now in [NOW - TOLERANCE_S, NOW, NOW + TOLERANCE_S] {
        assert_eq!(verify(&request(), &headers, now).unwrap(), device().id());
    }
    for now_unix_s in [0, NOW - TOLERANCE_S - 1, NOW + TOLERANCE_S + 1, u64::MAX] {
        assert_eq!(verify(&request(), &headers, now_unix_s).unwrap_err(), IdentityError::Clock { now_unix_s });
    }
}

#[test]
fn each_part_is_covered() {
    let headers = sign(&request(), &device(), NOW);
    let path = "/v1/accounts/abc/manifest";
    let others =
        [("POST", "sea.example:8443", path), ("PUT", "bay.example:8443", path), ("PUT", "sea.example:8443", "/v1/accounts/abd/manifest")];
    for (method, authority, path) in others {
        let other = Request::new(method, authority, path, BODY).unwrap();
        assert_eq!(verify(&other, &headers, NOW).unwrap_err(), IdentityError::Signature { field: "signature" });
    }
    let other = Request::new("PUT", "sea.example:8443", path, b"").unwrap();
    assert_eq!(verify(&other, &headers, NOW).unwrap_err(), IdentityError::Digest);
}

#[test]
fn case_and_default_port_of_the_host_do_not_matter() {
    for (signed, seen) in [("sea.example", "SEA.example:443"), ("[::1]:80", "[::1]"), ("127.0.0.1:8080", "127.0.0.1:8080")] {
        let headers = sign(&Request::new("GET", signed, "/", b"").unwrap(), &device(), NOW);
        verify(&Request::new("GET", seen, "/", b"").unwrap(), &headers, NOW).unwrap();
    }
}

#[test]
fn a_part_that_could_pass_for_another_is_refused() {
    let part = |method, authority, path| Request::new(method, authority, path, b"").unwrap_err().field();
    assert_eq!(part("GET\n", "sea.example", "/"), "method");
    assert_eq!(part("", "sea.example", "/"), "method");
    assert_eq!(part("GET", "sea.example\n\"@path\": /a", "/"), "authority");
    for path in ["", "a", "/a b", "/a\n", "/a?b", "/a#b", "/\u{e4}"] {
        assert_eq!(part("GET", "sea.example", path), "path");
    }
}

#[test]
fn only_the_profile_is_accepted() {
    let Headers { signature_input, signature, content_digest } = sign(&request(), &device(), NOW);
    let input = |from: &str, to: &str| Headers {
        signature_input: signature_input.replacen(from, to, 1),
        signature: signature.clone(),
        content_digest: content_digest.clone(),
    };
    for (from, to) in [
        ("alcyon=", "sig="),
        (" \"@path\"", ""),
        ("ed25519", "rsa-pss-sha512"),
        ("alcyon-device", "other"),
        ("created=1", "created=01"),
        ("created=1", "created=+1"),
        (";tag", ";nonce=\"a\";tag"),
        (&device().id().to_text(), &device().id().to_text().to_uppercase()),
        (&device().id().to_text(), "abc"),
    ] {
        let error = verify(&request(), &input(from, to), NOW).unwrap_err();
        assert_eq!(error.field(), "signature-input", "{to}");
    }
    for value in ["", "alcyon=::", "alcyon=:AAAA:", "other=:AAAA:"] {
        let headers = Headers { signature_input: signature_input.as_str(), signature: value, content_digest: &content_digest };
        assert_eq!(verify(&request(), &headers, NOW).unwrap_err().field(), "signature", "{value}");
    }
    let headers = Headers { signature_input: signature_input.as_str(), signature: &signature, content_digest: "" };
    assert_eq!(verify(&request(), &headers, NOW).unwrap_err(), IdentityError::Digest);
}

proptest! {
    #[test]
    fn what_is_signed_is_accepted(
        method in "[A-Z]{1,8}", host in "[a-z0-9.]{1,30}(:[1-9][0-9]{0,3})?", path in "/[!-\"$->@-~]{0,60}", body: Vec<u8>, created: u64,
        seed: [u8; 32],
    ) {
        let device = DeviceKey::from_bytes(&seed).unwrap();
        let request = Request::new(&method, &host, &path, &body).unwrap();
        let headers = sign(&request, &device, created);
        prop_assert_eq!(verify(&request, &headers, created).unwrap(), device.id());
    }

    #[test]
    fn one_flipped_bit_in_a_header_refuses(at in any::<prop::sample::Index>(), header in 0..3_usize, bit in 0..7_u8) {
        let mut pairs = sign(&request(), &device(), NOW).into_pairs();
        let value = &mut pairs[header].1;
        let mut bytes = value.clone().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        *value = String::from_utf8(bytes).unwrap();
        let [(_, signature_input), (_, signature), (_, content_digest)] = pairs;
        let headers = Headers { signature_input, signature, content_digest };
        prop_assert!(verify(&request(), &headers, NOW).is_err());
    }

    #[test]
    fn no_text_makes_it_panic(signature_input: String, signature: String, content_digest: String, now: u64) {
        let headers = Headers { signature_input, signature, content_digest };
        prop_assert!(verify(&request(), &headers, now).is_err());
    }
}
