//! Places, contact cards and previews of links: small things that a message can carry.

use std::{fmt, str::FromStr};

use alcyon_wire::{AccountId, Handle, limits, proto};

/// A point on the earth, WGS 84, to a millionth of a degree (11 cm).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GeoPoint {
    latitude_e6: i32,
    longitude_e6: i32,
}

/// Not a point. Write `LATITUDE,LONGITUDE` in degrees, like `48.2082,16.3738`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a place is LATITUDE,LONGITUDE in degrees, like 48.2082,16.3738")]
pub struct NoPoint;

impl GeoPoint {
    /// As a URI (RFC 5870).
    #[must_use]
    pub fn to_uri(self) -> String {
        format!("geo:{self}")
    }

    /// Reads a `geo` URI. Height and uncertainty are passed over; another reference system than WGS 84 is not known.
    pub fn from_uri(uri: &str) -> Result<Self, NoPoint> {
        if uri.len() > limits::GEO_URI || !uri.is_ascii() {
            return Err(NoPoint);
        }
        let lower = uri.to_ascii_lowercase();
        let mut parts = lower.strip_prefix("geo:").ok_or(NoPoint)?.split(';');
        let mut coordinates = parts.next().unwrap_or_default().splitn(3, ',');
        let (latitude, longitude) = (coordinates.next().unwrap_or_default(), coordinates.next().ok_or(NoPoint)?);
        if parts.any(|part| part.strip_prefix("crs=").is_some_and(|system| system != "wgs84")) {
            return Err(NoPoint);
        }
        Ok(Self { latitude_e6: degrees(latitude, 90)?, longitude_e6: degrees(longitude, 180)? })
    }
}

/// Degrees in decimal digits, as millionths.
fn degrees(text: &str, most: i32) -> Result<i32, NoPoint> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let numeric = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !numeric(whole) || !numeric(part) || whole.len() > 3 {
        return Err(NoPoint);
    }
    let millionths: String = part.chars().chain("000000".chars()).take(6).collect();
    let whole: i32 = whole.parse().map_err(|_| NoPoint)?;
    let value = whole * 1_000_000 + millionths.parse::<i32>().map_err(|_| NoPoint)?;
    if value > most * 1_000_000 { Err(NoPoint) } else { Ok(if negative { -value } else { value }) }
}

impl fmt::Display for GeoPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimal = |value: i32| {
            let sign = if value < 0 { "-" } else { "" };
            let text = format!("{sign}{}.{:06}", value.unsigned_abs() / 1_000_000, value.unsigned_abs() % 1_000_000);
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        };
        write!(f, "{},{}", decimal(self.latitude_e6), decimal(self.longitude_e6))
    }
}

impl FromStr for GeoPoint {
    type Err = NoPoint;

    fn from_str(text: &str) -> Result<Self, NoPoint> {
        let joined: String = text.chars().filter(|c| *c != ' ').collect();
        if joined.contains(';') || joined.matches(',').count() != 1 {
            return Err(NoPoint);
        }
        Self::from_uri(&format!("geo:{joined}"))
    }
}

/// How to reach somebody: a handle that can't be spoofed, because the account stands beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactCard {
    /// The handle.
    pub handle: Handle,
    /// The account that it has to name.
    pub account: AccountId,
}

impl ContactCard {
    /// `handle#account-id`, which `start` takes.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{}#{}", self.handle.to_text(), self.account.to_text())
    }
}

/// What a page says about itself, as the sender of a link has seen it. Nothing is fetched to show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkPreview {
    /// The link; it stands in the text.
    pub url: String,
    /// At most 1 KiB.
    pub title: String,
    /// At most 2 KiB; may be empty.
    pub description: String,
    /// A small picture, at most 96 KiB, as it came: whoever shows it decodes it with suspicion.
    pub image: Option<Vec<u8>>,
}

impl LinkPreview {
    pub(crate) fn to_field(&self) -> proto::Preview {
        let Self { url, title, description, image } = self;
        proto::Preview {
            url: url.clone(),
            title: title.clone(),
            description: description.clone(),
            image: image.clone().unwrap_or_default().into(),
        }
    }

    /// One that does not belong to its text, or is too large, is passed over: the text is what counts.
    pub(crate) fn of_text(text: &proto::Text) -> Option<Self> {
        let proto::Preview { url, title, description, image } = text.preview.as_ref()?;
        let web = url.starts_with("https://") || url.starts_with("http://");
        let fits =
            url.len() <= limits::PREVIEW_URL && title.len() <= limits::PREVIEW_TITLE && description.len() <= limits::PREVIEW_DESCRIPTION;
        if !web || !fits || title.is_empty() || !text.text.contains(url.as_str()) || image.len() > limits::PREVIEW_IMAGE {
            return None;
        }
        let image = (!image.is_empty()).then(|| image.to_vec());
        Some(Self { url: url.clone(), title: title.clone(), description: description.clone(), image })
    }

    /// Whether everybody would show it.
    pub(crate) fn check(&self, text: &str) -> Result<(), &'static str> {
        let as_sent = proto::Text { text: text.to_owned(), format: 0, mentions: Vec::new(), preview: Some(self.to_field()) };
        if Self::of_text(&as_sent).is_some() { Ok(()) } else { Err("the preview is too large, or of another link") }
    }
}

/// The point of a place that was sent.
pub(crate) fn point_of(location: &proto::Location) -> Result<GeoPoint, &'static str> {
    GeoPoint::from_uri(&location.uri).map_err(|_| "no place on the earth")
}

/// The card that was sent.
pub(crate) fn card_of(card: &proto::ContactCard) -> Result<ContactCard, &'static str> {
    let proto::ContactCard { handle, account } = card;
    let handle = handle.parse().map_err(|_| "a contact without a handle")?;
    let account = AccountId::parse(account, "contact.account").map_err(|_| "a contact without an account")?;
    Ok(ContactCard { handle, account })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_point_is_read_and_written_to_the_millionth() {
        let uri = |text: &str| text.parse::<GeoPoint>().map(GeoPoint::to_uri);
        assert_eq!(uri("48.2082,16.3738").unwrap(), "geo:48.2082,16.3738");
        assert_eq!(uri("-33.8568, 151.2153").unwrap(), "geo:-33.8568,151.2153");
        assert_eq!(uri("0,-0.000001").unwrap(), "geo:0,-0.000001");
        assert_eq!(uri("90,180").unwrap(), "geo:90,180");
        assert_eq!(uri("-90,-180.0000009").unwrap(), "geo:-90,-180", "finer than that is cut");
        for wrong in [
            "",
            "1",
            "1,",
            ",1",
            "1,2,3",
            "90.000001,0",
            "0,181",
            "a,b",
            "1e3,0",
            "+1,0",
            "1.,0",
            ".5,0",
            "0,999999999999",
            "1;2,3",
            "--1,0",
            "١,0",
        ] {
            assert_eq!(uri(wrong), Err(NoPoint), "{wrong}");
        }
        let of = |uri: &str| GeoPoint::from_uri(uri).map(|point| point.to_string());
        assert_eq!(of("geo:48.2010,16.3695,183;crs=wgs84;u=40").unwrap(), "48.201,16.3695");
        assert_eq!(of("GEO:1,2").unwrap(), "1,2");
        for wrong in ["geo:1,2;crs=Moon-2011", "1,2", "geo:1", "geo:é,2", &format!("geo:1,2;u={}", "9".repeat(200))] {
            assert_eq!(of(wrong), Err(NoPoint), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(latitude_e6 in -90_000_000..=90_000_000_i32, longitude_e6 in -180_000_000..=180_000_000_i32) {
            let point = GeoPoint { latitude_e6, longitude_e6 };
            prop_assert_eq!(GeoPoint::from_uri(&point.to_uri()), Ok(point));
            prop_assert_eq!(point.to_string().parse(), Ok(point));
        }

        #[test]
        fn anything_is_judged_without_a_panic(text in "geo:[-0-9.,;crs=ué]{0,40}") {
            let _ = GeoPoint::from_uri(&text);
        }
    }

    #[test]
    fn a_preview_belongs_to_its_text() {
        let preview = LinkPreview { url: "https://a.example/x".to_owned(), title: "A".to_owned(), description: String::new(), image: None };
        assert!(preview.check("see https://a.example/x").is_ok());
        assert!(preview.check("see https://a.example/y").is_err(), "of another link");
        assert!(LinkPreview { title: "x".repeat(2000), ..preview.clone() }.check("https://a.example/x").is_err());
        assert!(LinkPreview { image: Some(vec![0; 100_000]), ..preview.clone() }.check("https://a.example/x").is_err());
        assert!(LinkPreview { url: "javascript:x".to_owned(), ..preview }.check("javascript:x").is_err());
    }
}
