//! Network cameras by HTTP: a server within the test that says exactly what it is told.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use airside_agent::capture::{Error, Format, LumaWanted, Pictures};
use airside_imaging::{Picture, encode_jpeg};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{
    eventually,
    sources::{FORMAT, failure, open, size, take},
};

/// What a camera answers to a request.
#[derive(Clone, Default)]
pub(crate) struct Answer {
    /// Sent one after the other, 50 ms apart.
    pieces: Vec<Vec<u8>>,
    /// What becomes of the connection then.
    then: Then,
}

#[derive(Clone, Copy, Default)]
enum Then {
    /// It closes.
    #[default]
    Close,
    /// It waits for the next request.
    Next,
    /// Nothing; it stays open.
    Silence,
}

/// A camera at `http://127.0.0.1:PORT/`. Dropping it turns it off.
pub(crate) struct WebCamera {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl WebCamera {
    /// A camera that answers a request with this head and the body behind it.
    pub(crate) async fn start(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<AtomicUsize>::default();
        let (count, answer) = (Arc::clone(&asked), Arc::new(answer));
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, asked) = (Arc::clone(&answer), Arc::clone(&count));
                connections.spawn(async move { serve(stream, &*answer, &asked).await });
            }
        });
        Self {
            address,
            asked,
            task,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn address(&self) -> String {
        format!("http://{}/video", self.address)
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for WebCamera {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves a connection; ends quietly when the other side does.
async fn serve(
    stream: TcpStream,
    answer: &(dyn Fn(&str) -> Answer + Send + Sync),
    asked: &AtomicUsize,
) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            match stream.read_line(&mut head).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let is_it = name.eq_ignore_ascii_case("content-length");
            is_it.then(|| value.trim().parse().unwrap())
        });
        let mut body = vec![0; length.unwrap_or(0)];
        if stream.read_exact(&mut body).await.is_err() {
            return;
        }
        head += std::str::from_utf8(&body).unwrap();
        asked.fetch_add(1, Ordering::Relaxed);
        let Answer { pieces, then } = answer(&head);
        let mut pace = tokio::time::interval(Duration::from_millis(50));
        for piece in pieces {
            pace.tick().await;
            if stream.write_all(&piece).await.is_err() {
                return;
            }
        }
        match then {
            Then::Next => {}
            Then::Close => return,
            Then::Silence => std::future::pending().await,
        }
    }
}

fn jpeg(width: u32, height: u32) -> Vec<u8> {
    encode_jpeg(&Picture::filled(width, height, [90, 140, 30]), 80)
        .unwrap()
        .to_vec()
}

/// An answer of one picture.
fn single(jpeg: &[u8]) -> Answer {
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: image/jpeg\r\ncontent-length: {}\r\n\r\n",
        jpeg.len()
    )
    .into_bytes();
    answer.extend(jpeg);
    Answer {
        pieces: vec![answer],
        then: Then::Next,
    }
}

/// The beginning of a stream, then its pictures.
fn stream<'a>(pictures: impl IntoIterator<Item = &'a [u8]>, then: Then) -> Answer {
    let head =
        b"HTTP/1.0 200 OK\r\ncontent-type: multipart/x-mixed-replace; boundary=--gate\r\n\r\n";
    let part = |jpeg: &[u8]| {
        let head = format!(
            "--gate\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n",
            jpeg.len()
        );
        [head.as_bytes(), jpeg, b"\r\n"].concat()
    };
    let parts = pictures.into_iter().map(part);
    Answer {
        pieces: std::iter::once(head.to_vec()).chain(parts).collect(),
        then,
    }
}

fn says(status: &str, headers: &str) -> Answer {
    text(status, headers, "<html>no picture</html>")
}

/// An answer in words.
pub(crate) fn text(status: &str, headers: &str, text: &str) -> Answer {
    let length = text.len();
    let answer = format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{text}");
    Answer {
        pieces: vec![answer.into_bytes()],
        then: Then::Next,
    }
}

async fn end(pictures: &mut dyn Pictures) -> Error {
    loop {
        if let Err(error) = pictures.next().await {
            return error;
        }
    }
}

#[tokio::test]
async fn pictures_of_the_wanted_size_are_passed_on_as_they_are() {
    let shown = jpeg(160, 120);
    let camera = {
        let shown = shown.clone();
        WebCamera::start(move |_| stream(vec![&shown[..]; 100], Then::Silence)).await
    };
    let mut pictures = open(camera.address(), FORMAT).unwrap();
    let taken = take(&mut *pictures, 3).await.unwrap();
    assert!(taken.iter().all(|picture| picture.jpeg == shown));
    assert_eq!(pictures.vitals().decoder, None);
    drop(pictures);
    // Who needs pixels, or another size, gets a picture of the agent's own making.
    for format in [
        Format {
            luma: LumaWanted::Small,
            ..FORMAT
        },
        Format {
            width: 320,
            height: 240,
            ..FORMAT
        },
    ] {
        let mut pictures = open(camera.address(), format.clone()).unwrap();
        let taken = take(&mut *pictures, 2).await.unwrap();
        let (width, height) = size(&taken[1].jpeg);
        assert_eq!(
            (u32::from(width), u32::from(height)),
            (format.width, format.height)
        );
        assert_eq!(pictures.vitals().decoder, Some("jpegdec"));
    }
}

#[tokio::test]
async fn a_camera_of_single_pictures_is_asked_at_the_wanted_rate() {
    let shown = jpeg(160, 120);
    let camera = WebCamera::start(move |_| single(&shown)).await;
    let mut pictures = open(camera.address(), FORMAT).unwrap();
    let began = tokio::time::Instant::now();
    take(&mut *pictures, 6).await.unwrap();
    let took = began.elapsed();
    assert!(took > Duration::from_millis(450), "not paced: {took:?}");
    // Ten a second, and the one that may be under way.
    let due = took.as_millis() / 100 + 2;
    assert!(camera.asked() as u128 <= due, "{} of {due}", camera.asked());
}

#[tokio::test]
async fn a_password_is_told_when_it_is_asked_for_and_not_before() {
    let shown = jpeg(160, 120);
    for challenge in [
        "Digest realm=\"gate\", nonce=\"7\", qop=\"auth\"",
        "Basic realm=\"gate\"",
    ] {
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let (seen, picture) = (Arc::clone(&heads), shown.clone());
        let camera = WebCamera::start(move |head| {
            seen.lock().unwrap().push(head.to_owned());
            // Of the digest of a wrong password only a server could tell.
            match head.contains("username=\"guard\"") || head.contains("Basic Z3VhcmQ6czNjcmV0") {
                true => single(&picture),
                false => says(
                    "401 Unauthorized",
                    &format!("www-authenticate: {challenge}\r\n"),
                ),
            }
        })
        .await;
        let refused = failure(camera.address()).await;
        assert!(matches!(refused, Error::Unauthorized { .. }), "{refused:?}");
        let with = |user| camera.address().replace("//", &format!("//{user}:s3cret@"));
        let wrong = failure(with("thief")).await;
        assert!(matches!(wrong, Error::Unauthorized { .. }), "{wrong:?}");
        assert!(!format!("{wrong} {wrong:?}").contains("s3cret"));
        heads.lock().unwrap().clear();
        let mut pictures = open(with("guard"), FORMAT).unwrap();
        take(&mut *pictures, 3).await.unwrap();
        let heads = heads.lock().unwrap();
        let told = |head: &String| head.to_lowercase().contains("\r\nauthorization:");
        assert!(!told(&heads[0]) && heads[1..].iter().all(told), "{heads:?}");
    }
}

#[tokio::test]
async fn what_is_no_camera_is_told_apart() {
    for (answer, wanted) in [
        (says("404 Not Found", ""), "has no such stream (404)"),
        (says("503 Service Unavailable", ""), "it answers 503"),
        (
            says("200 OK", "content-type: text/html\r\n"),
            "no Motion JPEG or JPEG picture in",
        ),
        (stream([], Then::Close), "ended the stream"),
        (stream([], Then::Silence), "has sent no picture for 5 s"),
        (Answer::default(), "no connection to"),
    ] {
        let camera = WebCamera::start(move |_| answer.clone()).await;
        let error = failure(camera.address()).await.to_string();
        assert!(error.contains(wanted), "{error}: not {wanted}");
    }
    let camera = WebCamera::start(|_| Answer::default()).await;
    let address = camera.address();
    drop(camera);
    eventually("nobody listens", || {
        std::net::TcpStream::connect(&address["http://".len()..address.len() - "/video".len()])
            .is_err()
    })
    .await;
    let refused = failure(&address).await;
    assert!(matches!(refused, Error::Unreachable { .. }), "{refused:?}");
}

#[tokio::test]
async fn a_broken_picture_is_dropped_and_counted() {
    let whole = jpeg(160, 120);
    let camera = WebCamera::start(move |_| {
        let pictures = [
            &whole[..],
            &whole[..whole.len() / 2],
            b"no picture",
            &whole[..],
        ];
        stream(pictures, Then::Silence)
    })
    .await;
    let mut pictures = open(camera.address(), FORMAT).unwrap();
    let taken = take(&mut *pictures, 2).await.unwrap();
    assert!(
        taken
            .iter()
            .all(|picture| size(&picture.jpeg) == (160, 120))
    );
    assert_eq!(pictures.vitals().damaged, 2);
}

#[tokio::test]
async fn a_camera_that_changes_its_size_goes_on() {
    let (small, large) = (jpeg(160, 120), jpeg(320, 240));
    let camera = WebCamera::start(move |_| {
        let pictures = [vec![&small[..]; 3], vec![&large[..]; 30]].concat();
        stream(pictures, Then::Silence)
    })
    .await;
    // Decoded, it goes on without an interruption.
    let format = Format {
        luma: LumaWanted::Small,
        ..FORMAT
    };
    let mut pictures = open(camera.address(), format).unwrap();
    let taken = take(&mut *pictures, 8).await.unwrap();
    assert!(
        taken
            .iter()
            .all(|picture| size(&picture.jpeg) == (160, 120))
    );
    // Passed on as it is, it has to be opened anew.
    let error = end(&mut *open(camera.address(), FORMAT).unwrap()).await;
    assert!(error.to_string().contains("size"), "{error}");
}
