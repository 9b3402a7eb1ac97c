use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value};

use super::Problem;

/// A JSON object from outside, taken apart field by field. Errors name the path of the field; what is left over is
/// refused.
#[derive(Debug)]
pub(crate) struct Fields {
    prefix: String,
    object: Map<String, Value>,
}

impl Fields {
    /// Parses a body.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Problem> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(object)) => Ok(Self { prefix: String::new(), object }),
            Ok(_) => Err(Problem::malformed("body", "the body must be a JSON object")),
            Err(error) => {
                let message = format!("the body is not JSON: line {}, column {}", error.line(), error.column());
                Err(Problem::malformed("body", message))
            }
        }
    }

    /// A field with text.
    pub(crate) fn text(&mut self, name: &str) -> Result<String, Problem> {
        match self.take(name)? {
            Value::String(text) => Ok(text),
            _ => Err(self.wrong(name, "must be a string")),
        }
    }

    /// A field with bytes in base64url without padding, at most `limit` of them.
    pub(crate) fn bytes(&mut self, name: &str, limit: usize) -> Result<Vec<u8>, Problem> {
        let value = self.take(name)?;
        self.decode(name, &value, limit)
    }

    /// A field with exactly `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self, name: &str) -> Result<[u8; N], Problem> {
        let bytes = self.bytes(name, N)?;
        bytes.try_into().map_err(|_| self.wrong(name, &format!("must have {N} bytes")))
    }

    /// Whether a field that may be left out is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }

    /// A field with a list of bytes.
    pub(crate) fn list_of_bytes(&mut self, name: &str, most: usize, limit: usize) -> Result<Vec<Vec<u8>>, Problem> {
        let list = self.list(name, most)?;
        list.iter().enumerate().map(|(index, value)| self.decode(&format!("{name}[{index}]"), value, limit)).collect()
    }

    /// A field with a list of objects.
    pub(crate) fn objects(&mut self, name: &str, most: usize) -> Result<Vec<Self>, Problem> {
        let list = self.list(name, most)?;
        let objects = list.into_iter().enumerate().map(|(index, value)| match value {
            Value::Object(object) => Ok(Self { prefix: format!("{}{name}[{index}].", self.prefix), object }),
            _ => Err(self.wrong(&format!("{name}[{index}]"), "must be an object")),
        });
        objects.collect()
    }

    /// A field that is an object.
    pub(crate) fn object(&mut self, name: &str) -> Result<Self, Problem> {
        match self.take(name)? {
            Value::Object(object) => Ok(Self { prefix: format!("{}{name}.", self.prefix), object }),
            _ => Err(self.wrong(name, "must be an object")),
        }
    }

    /// A field with a whole number that is not negative.
    pub(crate) fn number(&mut self, name: &str) -> Result<u64, Problem> {
        let value = self.take(name)?;
        value.as_u64().ok_or_else(|| self.wrong(name, "must be a whole number that is not negative"))
    }

    /// A field with text of at most `limit` bytes.
    pub(crate) fn short_text(&mut self, name: &str, limit: usize) -> Result<String, Problem> {
        let text = self.text(name)?;
        if text.len() <= limit { Ok(text) } else { Err(self.too_large(name, limit)) }
    }

    /// A field that is true or false.
    pub(crate) fn boolean(&mut self, name: &str) -> Result<bool, Problem> {
        match self.take(name)? {
            Value::Bool(value) => Ok(value),
            _ => Err(self.wrong(name, "must be true or false")),
        }
    }

    /// Refuses fields that nobody has asked for.
    pub(crate) fn end(self) -> Result<(), Problem> {
        match self.object.keys().next() {
            None => Ok(()),
            Some(name) => Err(self.wrong(name, "is not a field here")),
        }
    }

    fn list(&mut self, name: &str, most: usize) -> Result<Vec<Value>, Problem> {
        match self.take(name)? {
            Value::Array(list) if list.len() <= most => Ok(list),
            Value::Array(_) => Err(self.too_large(name, most)),
            _ => Err(self.wrong(name, "must be a list")),
        }
    }

    fn decode(&self, name: &str, value: &Value, limit: usize) -> Result<Vec<u8>, Problem> {
        let bytes = value.as_str().and_then(|text| BASE64URL_NOPAD.decode(text.as_bytes()).ok());
        match bytes {
            Some(bytes) if bytes.len() <= limit => Ok(bytes),
            Some(_) => Err(self.too_large(name, limit)),
            None => Err(self.wrong(name, "must be bytes in base64url without padding")),
        }
    }

    fn take(&mut self, name: &str) -> Result<Value, Problem> {
        self.object.remove(name).ok_or_else(|| self.wrong(name, "is missing"))
    }

    fn wrong(&self, name: &str, why: &str) -> Problem {
        let field = format!("{}{name}", self.prefix);
        Problem::malformed(field.clone(), format!("{field} {why}"))
    }

    fn too_large(&self, name: &str, limit: usize) -> Problem {
        let field = format!("{}{name}", self.prefix);
        let message = format!("{field} is over the limit of {limit}");
        Problem::never(http::StatusCode::PAYLOAD_TOO_LARGE, "too_large", message).at(field)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn fields(text: &str) -> Fields {
        Fields::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn what_is_wrong_is_named_by_its_path() {
        let mut outer = fields(r#"{"name":"ann","seats":[{"id":"AAAA","keep":true},{"id":7}],"more":1}"#);
        assert_eq!(outer.text("name").unwrap(), "ann");
        let mut seats = outer.objects("seats", 2).unwrap();
        let mut second = seats.pop().unwrap();
        let mut first = seats.pop().unwrap();
        assert_eq!(first.bytes("id", 3).unwrap(), [0; 3]);
        assert!(first.boolean("keep").unwrap());
        first.end().unwrap();
        assert_eq!(second.bytes("id", 3).unwrap_err().field, "seats[1].id");
        assert_eq!(second.boolean("keep").unwrap_err().field, "seats[1].keep");
        assert_eq!(outer.end().unwrap_err().field, "more");
    }

    #[test]
    fn limits_hold_to_the_byte() {
        assert_eq!(fields(r#"{"a":"AAAA"}"#).bytes("a", 2).unwrap_err().code, "too_large");
        assert_eq!(fields(r#"{"a":["AAAA","AA"]}"#).list_of_bytes("a", 2, 3).unwrap(), [vec![0; 3], vec![0]]);
        assert_eq!(fields(r#"{"a":["AAAA","AA"]}"#).list_of_bytes("a", 1, 3).unwrap_err().code, "too_large");
        assert_eq!(fields(r#"{"a":["AAAA","A="]}"#).list_of_bytes("a", 2, 3).unwrap_err().field, "a[1]");
    }

    #[test]
    fn what_is_no_json_object_is_refused_without_echo() {
        for body in ["", "[]", "{\"secret", "7"] {
            let problem = Fields::parse(body.as_bytes()).unwrap_err();
            assert_eq!((problem.code, problem.field.as_ref()), ("malformed", "body"));
            assert!(!problem.message.contains("secret"));
        }
    }
}
