//! Questions to an ONVIF service, with credentials as its standard wants them (WS-UsernameToken, digest).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::Method;
use jiff::{SignedDuration, Timestamp};

use super::xml::{Broken, Element};
use crate::{
    capture::Credentials,
    web::{self, Ask, Session},
};

/// An answer about a dozen profiles has some 50 kB.
const LARGEST_ANSWER: usize = 1 << 20;

/// Why a camera does not tell what it is asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// On the way there, or at its door.
    #[error(transparent)]
    Web(#[from] web::Error),
    /// It answers nonsense.
    #[error("its answer makes no sense: {0}")]
    Broken(#[from] Broken),
    /// It answers with an error.
    #[error("it refuses: {0}")]
    Fault(String),
}

/// A service of a camera.
pub(super) struct Service<'a> {
    pub(super) session: &'a mut Session,
    pub(super) path: String,
    pub(super) credentials: Option<&'a Credentials>,
    /// By how much the camera's clock is ahead: it refuses what seems old to it.
    pub(super) ahead: SignedDuration,
}

impl Service<'_> {
    /// The body of the answer to a question.
    pub(super) async fn ask(&mut self, question: &str) -> Result<Element, Error> {
        let security = self.credentials.map(|credentials| {
            security(credentials, Timestamp::now() + self.ahead, rand::random())
        });
        let security = security.unwrap_or_default();
        let envelope = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Header>{security}</s:Header>\
             <s:Body>{question}</s:Body></s:Envelope>"
        );
        let ask = Ask {
            method: Method::POST,
            path: &self.path,
            content_type: Some("application/soap+xml; charset=utf-8"),
            body: Bytes::from(envelope),
        };
        let answer = Element::parse(&self.session.fetch(&ask, LARGEST_ANSWER).await?)?;
        match answer.find("Fault") {
            Some(fault) => Err(Error::Fault(super::printable(
                fault.text_of("Text").unwrap_or("without a reason"),
            ))),
            None => Ok(answer),
        }
    }
}

/// The header that proves who asks: a digest of the password that is good for this moment and this once.
fn security(credentials: &Credentials, created: Timestamp, nonce: [u8; 16]) -> String {
    let created = created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let Credentials { user, password } = credentials;
    let secret = [&nonce[..], created.as_bytes(), password.as_bytes()].concat();
    // SHA-1 is what the standard has, and no camera knows another.
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &secret);
    let (digest, nonce) = (STANDARD.encode(digest), STANDARD.encode(nonce));
    let user = quick_xml::escape::escape(user.as_str());
    const TOKEN: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss";
    format!(
        "<w:Security s:mustUnderstand=\"1\" xmlns:w=\"{TOKEN}-wssecurity-secext-1.0.xsd\"><w:UsernameToken>\
         <w:Username>{user}</w:Username>\
         <w:Password Type=\"{TOKEN}-username-token-profile-1.0#PasswordDigest\">{digest}</w:Password>\
         <w:Nonce EncodingType=\"{TOKEN}-soap-message-security-1.0#Base64Binary\">{nonce}</w:Nonce>\
         <u:Created xmlns:u=\"{TOKEN}-wssecurity-utility-1.0.xsd\">{created}</u:Created>\
         </w:UsernameToken></w:Security>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the ONVIF programmer's guide, section 6.1.1.3.
    #[test]
    fn the_digest_is_that_of_the_standard() {
        let credentials = Credentials {
            user: "user".to_owned(),
            password: "userpassword".to_owned(),
        };
        let nonce = STANDARD.decode("LKqI6G/AikKCQrN0zqZFlg==").unwrap();
        let created = "2010-09-16T07:50:45Z".parse().unwrap();
        let header = security(&credentials, created, nonce.try_into().unwrap());
        assert!(
            header.contains(">tuOSpGlFlIXsozq4HFNeeGeFLEI=<"),
            "{header}"
        );
        assert!(!header.contains("userpassword"));
    }
}
