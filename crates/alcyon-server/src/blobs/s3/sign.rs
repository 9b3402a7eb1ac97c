//! Signature version 4 of the requests to S3, as its documentation has it ("Authenticating Requests: Using the Authorization
//! Header"): a pure function from a request, keys and a time to headers.

use std::fmt::Write;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use http::Method;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

/// Who asks, and where.
#[derive(Clone, Copy)]
pub(super) struct Keys<'a> {
    pub(super) access_key: &'a str,
    pub(super) secret_key: &'a str,
    pub(super) region: &'a str,
}

/// What is signed of a request.
pub(super) struct Unsigned<'a> {
    pub(super) method: &'a Method,
    /// As the `host` header has it.
    pub(super) host: &'a str,
    /// Encoded by [`encode`], slashes left alone.
    pub(super) path: &'a str,
    /// As [`query`] makes it.
    pub(super) query: &'a str,
    /// Further headers, lower case, in order; `host` and those of the signature are added.
    pub(super) headers: &'a [(&'static str, String)],
    /// SHA-256 of the body.
    pub(super) body: [u8; 32],
}

/// The headers that a signature adds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Signed {
    /// `x-amz-content-sha256`
    pub(super) body: String,
    /// `x-amz-date`
    pub(super) date: String,
    /// `authorization`
    pub(super) authorization: String,
}

/// Signs a request at a time, Unix seconds.
pub(super) fn sign(request: &Unsigned<'_>, keys: Keys<'_>, unix_seconds: i64) -> Signed {
    let now = OffsetDateTime::from_unix_timestamp(unix_seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let day = format!("{:04}{:02}{:02}", now.year(), u8::from(now.month()), now.day());
    let date = format!("{day}T{:02}{:02}{:02}Z", now.hour(), now.minute(), now.second());
    let body = HEXLOWER.encode(&request.body);
    let mut headers: Vec<(&str, &str)> = request.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    headers.extend([("host", request.host), ("x-amz-content-sha256", &body), ("x-amz-date", &date)]);
    headers.sort_unstable();
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let mut canonical = format!("{}\n{}\n{}\n", request.method, request.path, request.query);
    for (name, value) in headers {
        // A `String` takes whatever is written to it.
        let _always = writeln!(canonical, "{name}:{}", value.trim());
    }
    let _always = write!(canonical, "\n{names}\n{body}");
    let scope = format!("{day}/{}/s3/aws4_request", keys.region);
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", HEXLOWER.encode(&Sha256::digest(canonical)));
    let mut key = mac(format!("AWS4{}", keys.secret_key).as_bytes(), &day);
    for word in [keys.region, "s3", "aws4_request"] {
        key = mac(&key, word);
    }
    let signature = HEXLOWER.encode(&mac(&key, &to_sign));
    let access_key = keys.access_key;
    let authorization = format!("AWS4-HMAC-SHA256 Credential={access_key}/{scope},SignedHeaders={names},Signature={signature}");
    Signed { body, date, authorization }
}

fn mac(key: &[u8], text: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

/// A query in the order and the letters that are signed.
pub(super) fn query(parameters: &[(&str, &str)]) -> String {
    let mut encoded: Vec<(String, String)> = parameters.iter().map(|(name, value)| (encode(name, false), encode(value, false))).collect();
    encoded.sort_unstable();
    encoded.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// Everything but letters, digits and `-_.~` as `%XX`; slashes are left alone in paths.
pub(super) fn encode(text: &str, path: bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || path && byte == b'/' {
            encoded.push(char::from(byte));
        } else {
            let _always = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys and time of the examples in the documentation of S3.
    const KEYS: Keys<'static> =
        Keys { access_key: "AKIAIOSFODNN7EXAMPLE", secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", region: "us-east-1" };
    const FRIDAY: i64 = 1_369_353_600;
    const HOST: &str = "examplebucket.s3.amazonaws.com";

    fn signature(method: Method, path: &str, query: &str, headers: &[(&'static str, String)], body: &[u8]) -> String {
        let request = Unsigned { method: &method, host: HOST, path, query, headers, body: Sha256::digest(body).into() };
        let Signed { body: _, date, authorization } = sign(&request, KEYS, FRIDAY);
        assert_eq!(date, "20130524T000000Z");
        assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"));
        authorization.rsplit('=').next().unwrap().to_owned()
    }

    #[test]
    fn the_examples_of_the_documentation() {
        let range = [("range", "bytes=0-9".to_owned())];
        let got = signature(Method::GET, "/test.txt", "", &range, b"");
        assert_eq!(got, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
        let put = [("date", "Fri, 24 May 2013 00:00:00 GMT".to_owned()), ("x-amz-storage-class", "REDUCED_REDUNDANCY".to_owned())];
        let got = signature(Method::PUT, &encode("/test$file.text", true), "", &put, b"Welcome to Amazon S3.");
        assert_eq!(got, "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
        let got = signature(Method::GET, "/", &query(&[("lifecycle", "")]), &[], b"");
        assert_eq!(got, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
        let got = signature(Method::GET, "/", &query(&[("prefix", "J"), ("max-keys", "2")]), &[], b"");
        assert_eq!(got, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
    }

    #[test]
    fn what_is_encoded() {
        assert_eq!(encode("a/b c~d+é", true), "a/b%20c~d%2B%C3%A9");
        assert_eq!(query(&[("prefix", "a/b"), ("list-type", "2"), ("uploads", "")]), "list-type=2&prefix=a%2Fb&uploads=");
    }
}
