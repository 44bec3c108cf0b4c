//! Network cameras that speak ONVIF: found by WS-Discovery, then asked for their streams.
//!
//! A camera is asked at the address that its answer came from and nowhere else, whatever it says: what it says may be meant to
//! make this machine knock at another door, with a password in its hand.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use futures::{StreamExt as _, stream};
use http::Uri;
use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};
use serde::Serialize;

use super::{
    Error, Host, printable,
    probe::{self, Match},
    soap::{self, Service},
    xml::Element,
};
use crate::{
    capture::{Credentials, redacted},
    web::{self, Session},
};

/// Cameras that are asked at the same time.
const AT_ONCE: usize = 16;
/// A camera has two or three profiles; some have one for each of their lenses.
const MOST_PROFILES: usize = 16;
/// For each question to a camera: its service may be a script that starts anew each time.
const PATIENCE: Duration = Duration::from_secs(3);
/// For all questions to it.
const PATIENCE_FOR_ALL: Duration = Duration::from_secs(20);

/// A network camera.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Camera {
    /// Where it answers from.
    pub host: Host,
    /// What it is called.
    pub name: Option<String>,
    /// What it is.
    pub hardware: Option<String>,
    /// What it can send, the best first as a rule.
    pub profiles: Vec<Profile>,
    /// Why not all of it is known.
    pub problem: Option<String>,
}

/// What a camera can send.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Profile {
    /// What it is called.
    pub name: String,
    /// Its codec.
    pub codec: Option<String>,
    /// Width and height in pixels.
    pub size: Option<(u32, u32)>,
    /// Frames a second.
    pub fps: Option<u32>,
    /// Where it is streamed, without credentials.
    pub source: Option<String>,
    /// Why that is not known.
    pub problem: Option<String>,
}

/// All cameras that answer, and the number of answers that made no sense.
pub(super) async fn find(
    from: &[SocketAddr],
    to: Option<SocketAddr>,
    patience: Duration,
    credentials: Option<&Credentials>,
) -> Result<(Vec<Camera>, usize), Error> {
    let answers = probe::ask(from, to, patience).await.map_err(Error::Ask)?;
    let asked = answers
        .cameras
        .into_iter()
        .map(|(host, found)| camera(host, found, credentials));
    let mut cameras: Vec<_> = stream::iter(asked)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    cameras.sort_by(|one, other| one.host.cmp(&other.host));
    Ok((cameras, answers.unreadable))
}

async fn camera(host: Host, found: Match, credentials: Option<&Credentials>) -> Camera {
    let asked = tokio::time::timeout(
        PATIENCE_FOR_ALL,
        profiles(&host, &found.addresses, credentials),
    );
    let (profiles, problem) = match asked.await {
        Ok(Ok(profiles)) if profiles.is_empty() => (profiles, Some("it has no profile".to_owned())),
        Ok(Ok(profiles)) => (profiles, None),
        Ok(Err(error)) => (Vec::new(), Some(explain(&error, credentials.is_some()))),
        Err(_) => (Vec::new(), Some("it takes too long to answer".to_owned())),
    };
    Camera {
        host,
        name: found.name,
        hardware: found.hardware,
        profiles,
        problem,
    }
}

fn explain(error: &soap::Error, with_credentials: bool) -> String {
    let refused = matches!(
        error,
        soap::Error::Fault(_) | soap::Error::Web(web::Error::Unauthorized | web::Error::Refused(_))
    );
    let advice = match (refused, with_credentials) {
        (true, false) => "; it may want user and password (--credentials-file)",
        (true, true) => "; are user and password right?",
        (false, _) => "",
    };
    format!("{error}{advice}")
}

async fn profiles(
    host: &Host,
    addresses: &[Uri],
    credentials: Option<&Credentials>,
) -> Result<Vec<Profile>, soap::Error> {
    let own = |address: &&Uri| named_host(address) == Some(host.ip());
    let address = addresses.iter().find(own).or(addresses.first());
    let address = address.ok_or(web::Error::Address)?;
    let mut device = session(host, address, credentials)?;
    let mut service = Service {
        session: &mut device,
        path: path(address),
        credentials: None,
        ahead: SignedDuration::ZERO,
    };
    // Both are told to everyone as a rule; a camera that does not tell the time is taken to have ours.
    let time = service
        .ask("<GetSystemDateAndTime xmlns=\"http://www.onvif.org/ver10/device/wsdl\"/>")
        .await;
    let ahead = time.ok().and_then(|time| ahead(&time)).unwrap_or_default();
    service.credentials = credentials;
    service.ahead = ahead;
    let capabilities = service
        .ask("<GetCapabilities xmlns=\"http://www.onvif.org/ver10/device/wsdl\"><Category>Media</Category></GetCapabilities>")
        .await?;
    let media = capabilities
        .find("Media")
        .and_then(|media| media.text_of("XAddr"));
    let media: Uri = media
        .and_then(|media| media.parse().ok())
        .ok_or(web::Error::Address)?;
    let mut session = session(host, &media, credentials)?;
    let mut service = Service {
        session: &mut session,
        path: path(&media),
        credentials,
        ahead,
    };
    let answer = service
        .ask("<GetProfiles xmlns=\"http://www.onvif.org/ver10/media/wsdl\"/>")
        .await?;
    let mut profiles = Vec::new();
    for element in answer.all("Profiles").into_iter().take(MOST_PROFILES) {
        let mut profile = Profile::of(element);
        let token = element.attribute("token").unwrap_or_default();
        match service.ask(&stream_question(token)).await {
            Ok(answer) => profile.stream(host, &answer, credentials),
            Err(error) => profile.problem = Some(explain(&error, credentials.is_some())),
        }
        profiles.push(profile);
    }
    Ok(profiles)
}

/// A session with the service that the camera names, at the address that the camera has.
fn session(
    host: &Host,
    service: &Uri,
    credentials: Option<&Credentials>,
) -> Result<Session, web::Error> {
    if service.scheme_str() != Some("http") {
        return Err(web::Error::Address);
    }
    let (credentials, port) = (credentials.cloned(), service.port_u16());
    let host = host.to_string();
    Ok(Session::at(host, port.unwrap_or(80), credentials, PATIENCE))
}

fn path(address: &Uri) -> String {
    let path = address.path_and_query();
    path.map_or_else(|| "/".to_owned(), ToString::to_string)
}

fn named_host(address: &Uri) -> Option<IpAddr> {
    address.host()?.trim_matches(['[', ']']).parse().ok()
}

fn stream_question(token: &str) -> String {
    let token = quick_xml::escape::escape(token);
    format!(
        "<GetStreamUri xmlns=\"http://www.onvif.org/ver10/media/wsdl\"><StreamSetup>\
         <Stream xmlns=\"http://www.onvif.org/ver10/schema\">RTP-Unicast</Stream>\
         <Transport xmlns=\"http://www.onvif.org/ver10/schema\"><Protocol>RTSP</Protocol></Transport>\
         </StreamSetup><ProfileToken>{token}</ProfileToken></GetStreamUri>"
    )
}

/// By how much a camera's clock is ahead of this machine's.
fn ahead(answer: &Element) -> Option<SignedDuration> {
    let utc = answer.find("UTCDateTime")?;
    let number = |name| utc.text_of(name)?.parse::<i16>().ok();
    let small = |name| i8::try_from(number(name)?).ok();
    let time = civil::DateTime::new(
        number("Year")?,
        small("Month")?,
        small("Day")?,
        small("Hour")?,
        small("Minute")?,
        small("Second")?,
        0,
    );
    let theirs = time.ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp();
    Some(theirs.duration_since(Timestamp::now()))
}

impl Profile {
    fn of(element: &Element) -> Self {
        let encoder = element.find("VideoEncoderConfiguration");
        let number = |name| -> Option<u32> { encoder?.text_of(name)?.parse().ok() };
        let codec = encoder.and_then(|encoder| encoder.text_of("Encoding"));
        Self {
            name: printable(element.text_of("Name").unwrap_or("unnamed")),
            codec: codec.map(printable),
            size: number("Width").zip(number("Height")),
            fps: number("FrameRateLimit"),
            ..Self::default()
        }
    }

    /// Takes the address of its stream out of an answer, if it is one to be shown.
    fn stream(&mut self, host: &Host, answer: &Element, credentials: Option<&Credentials>) {
        let told = redacted(answer.text_of("Uri").unwrap_or_default());
        let secret = credentials.map(|credentials| credentials.password.as_str());
        let rtsp = ["rtsp", "rtsps"].contains(&told.split("://").next().unwrap_or_default());
        let parsed = told.parse::<Uri>().ok().filter(|_| rtsp);
        self.problem = match parsed {
            Some(_) if secret.is_some_and(|secret| !secret.is_empty() && told.contains(secret)) => {
                Some("its address holds the password and is not shown".to_owned())
            }
            Some(uri) if named_host(&uri) == Some(host.ip()) => {
                let named = uri.host().unwrap_or_default();
                self.source = Some(told.replacen(named, &host.in_url(), 1));
                None
            }
            Some(_) => Some(format!("it is at another host: {}", printable(&told))),
            None => Some("it has no RTSP address".to_owned()),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddrV6;

    use super::*;

    #[test]
    fn an_address_of_one_link_names_the_link() {
        let near = SocketAddrV6::new("fe80::7".parse().unwrap(), 3702, 0, 1);
        let answer = Element::parse(b"<r><Uri>rtsp://[fe80::7]:554/1</Uri></r>").unwrap();
        let mut profile = Profile::default();
        profile.stream(&SocketAddr::from(near).into(), &answer, None);
        assert_eq!(
            profile.source.as_deref(),
            Some("rtsp://[fe80::7%25lo]:554/1")
        );
    }

    #[test]
    fn only_an_address_of_the_camera_itself_is_taken() {
        let host = Host::from(IpAddr::from([10, 0, 0, 7]));
        let credentials = Credentials {
            user: "guard".to_owned(),
            password: "s3cret".to_owned(),
        };
        let stream = |uri: &str| {
            let answer = format!("<r><Uri>{}</Uri></r>", quick_xml::escape::escape(uri));
            let mut profile = Profile::default();
            let answer = Element::parse(answer.as_bytes()).unwrap();
            profile.stream(&host, &answer, Some(&credentials));
            assert!(!format!("{profile:?}").contains("s3cret"));
            profile.source
        };
        let plain = Some("rtsp://10.0.0.7:554/1?a=b".to_owned());
        assert_eq!(stream("rtsp://10.0.0.7:554/1?a=b"), plain);
        assert_eq!(stream("rtsp://guard:s3cret@10.0.0.7:554/1?a=b"), plain);
        for other in [
            "rtsp://10.0.0.7/user=guard&password=s3cret",
            "rtsp://10.0.0.8/1",
            "http://10.0.0.7/1",
            "rtsp://10.0.0.7/1\nx = 1",
            "",
        ] {
            assert_eq!(stream(other), None, "{other}");
        }
    }

    #[test]
    fn a_clock_is_compared() {
        let answer = |year: i32| {
            let date = format!(
                "<Time><Hour>1</Hour><Minute>2</Minute><Second>3</Second></Time>\
                 <Date><Year>{year}</Year><Month>2</Month><Day>29</Day></Date>"
            );
            let answer = format!("<r><UTCDateTime>{date}</UTCDateTime></r>");
            ahead(&Element::parse(answer.as_bytes()).unwrap())
        };
        assert!(answer(2000).unwrap().is_negative());
        assert_eq!(answer(2001), None, "there was no such day");
        assert_eq!(answer(99_999), None);
    }
}
