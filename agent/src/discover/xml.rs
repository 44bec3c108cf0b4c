//! Small XML documents from the network, as a tree. Nothing in one is trusted: size, depth and number of elements are bounded,
//! entities that a document defines are not expanded.

use quick_xml::{
    Reader,
    events::{BytesRef, BytesStart, Event},
};

/// Elements of a document. A camera with many profiles has some hundreds.
const MOST_ELEMENTS: usize = 20_000;
/// ONVIF nests a dozen deep.
const DEEPEST: usize = 64;

/// Why a document is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// No text.
    #[error("it is no UTF-8")]
    Encoding,
    /// No XML.
    #[error("it is no XML: {0}")]
    Syntax(String),
    /// More than anything sensible has.
    #[error("it has too many elements, or they are nested too deeply")]
    TooLarge,
}

/// An element. Names are without their namespace's prefix: cameras disagree on versions of namespaces, not on names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: String,
    attributes: Vec<(String, String)>,
    text: String,
    children: Vec<Element>,
}

impl Element {
    /// The root of a document.
    pub(super) fn parse(data: &[u8]) -> Result<Self, Broken> {
        let text = std::str::from_utf8(data).map_err(|_| Broken::Encoding)?;
        let syntax = |error: quick_xml::Error| Broken::Syntax(error.to_string());
        let mut reader = Reader::from_str(text);
        let mut open = vec![Self::default()];
        let mut elements = 0;
        loop {
            let event = reader.read_event().map_err(syntax)?;
            let ends = matches!(event, Event::End(_) | Event::Empty(_));
            match event {
                Event::Start(start) | Event::Empty(start) => {
                    elements += 1;
                    if elements > MOST_ELEMENTS || open.len() > DEEPEST {
                        return Err(Broken::TooLarge);
                    }
                    open.push(Self::opened(&start));
                }
                Event::Text(text) => add(&mut open, &text.xml10_content()),
                Event::CData(text) => add(&mut open, &text.xml10_content()),
                Event::GeneralRef(reference) => add(&mut open, &character(&reference)),
                Event::Eof => break,
                _ => {}
            }
            if ends
                && let Some(element) = open.pop()
                && let Some(parent) = open.last_mut()
            {
                parent.children.push(element);
            }
        }
        let unfinished = || Broken::Syntax("an element does not end".to_owned());
        match <[Self; 1]>::try_from(open) {
            Ok([document]) => document.children.into_iter().next().ok_or_else(unfinished),
            Err(_) => Err(unfinished()),
        }
    }

    fn opened(start: &BytesStart<'_>) -> Self {
        let mut attributes = start.attributes();
        let attributes = attributes.with_checks(false);
        let attributes = attributes.filter_map(Result::ok).map(|attribute| {
            let name = attribute.key.local_name();
            (
                name.as_ref().to_owned(),
                unescaped(attribute.value.as_ref()),
            )
        });
        Self {
            name: start.local_name().as_ref().to_owned(),
            attributes: attributes.collect(),
            ..Self::default()
        }
    }

    /// All elements of this name within, in their order.
    pub(super) fn all(&self, name: &str) -> Vec<&Self> {
        let mut found = Vec::new();
        let mut open: Vec<_> = self.children.iter().rev().collect();
        while let Some(element) = open.pop() {
            if element.name == name {
                found.push(element);
            }
            open.extend(element.children.iter().rev());
        }
        found
    }

    /// The first element of this name within.
    pub(super) fn find(&self, name: &str) -> Option<&Self> {
        self.all(name).into_iter().next()
    }

    /// The text of the first element of this name within.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        self.find(name).map(Self::text)
    }

    pub(super) fn text(&self) -> &str {
        self.text.trim()
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        let mut attributes = self.attributes.iter();
        let (_, value) = attributes.find(|(known, _)| known == name)?;
        Some(value)
    }
}

fn add(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

/// What a reference stands for, if that is one character; entities of the document's own are passed over.
fn character(reference: &BytesRef<'_>) -> String {
    unescaped(&format!("&{};", reference.xml10_content()))
}

fn unescaped(text: &str) -> String {
    match quick_xml::escape::unescape(text) {
        Ok(plain) => plain.into_owned(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_texts_and_attributes() {
        let document = "<?xml version=\"1.0\"?><!-- x --><s:a xmlns:s=\"urn:s\"><s:b t:k=\"1 &amp; 2\"> x &#60;<![CDATA[&y]]> </s:b><b/></s:a>";
        let root = Element::parse(document.as_bytes()).unwrap();
        assert_eq!(root.name, "a");
        assert_eq!(root.text_of("b"), Some("x <&y"));
        assert_eq!(root.find("b").unwrap().attribute("k"), Some("1 & 2"));
        assert_eq!(root.all("b").len(), 2);
        assert_eq!(root.find("c"), None);
    }

    #[test]
    fn nothing_grows_beyond_what_came() {
        let bomb =
            "<!DOCTYPE a [<!ENTITY x \"xxxxxxxxxx\"><!ENTITY y \"&x;&x;&x;&x;\">]><a>&y;&y;</a>";
        let bomb = Element::parse(bomb.as_bytes());
        assert_eq!(bomb.unwrap().text(), "");
        let deep = "<a>".repeat(100_000);
        assert_eq!(Element::parse(deep.as_bytes()), Err(Broken::TooLarge));
        let wide = format!("<a>{}</a>", "<b/>".repeat(MOST_ELEMENTS));
        assert_eq!(Element::parse(wide.as_bytes()), Err(Broken::TooLarge));
        assert_eq!(Element::parse(b"<a>\xFF</a>"), Err(Broken::Encoding));
        for broken in ["", "text", "<a>", "<a></b>", "<a", "</a>"] {
            let refused = Element::parse(broken.as_bytes());
            assert!(
                matches!(refused, Err(Broken::Syntax(_))),
                "{broken}: {refused:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn reads_anything(document in "(<[a-c:/!?\\[ ]{0,4}>|&[a-z#0-9]{0,3};|[a-c\"'=]{0,3}){0,40}") {
            let _ = Element::parse(document.as_bytes());
        }
    }
}
