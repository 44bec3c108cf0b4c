//! Every kind of source, good and bad.

use std::{
    fs,
    time::{Duration, Instant},
};

use airside_agent::capture::{
    Cause, Error, Format, Location, LumaWanted, Picture, Pictures, Setup, Source, play_once,
};

use super::{
    eventually,
    film::{Material, truncate},
};

pub(crate) const FORMAT: Format = Format {
    width: 160,
    height: 120,
    fps: 10.0,
    jpeg_quality: 80,
    stall: Duration::from_secs(5),
    masks: Vec::new(),
    luma: LumaWanted::None,
};

pub(crate) fn open(location: impl ToString, format: Format) -> Result<Box<dyn Pictures>, Error> {
    let location: Location = location.to_string().parse().unwrap();
    Setup::from(location).open(&format)
}

pub(crate) async fn take(pictures: &mut dyn Pictures, count: usize) -> Result<Vec<Picture>, Error> {
    let mut taken = Vec::new();
    while taken.len() < count {
        taken.push(pictures.next().await?);
    }
    Ok(taken)
}

/// Opens a source that cannot work and returns why.
pub(crate) async fn failure(location: impl ToString) -> Error {
    match open(location, FORMAT) {
        Err(error) => error,
        Ok(mut pictures) => loop {
            if let Err(error) = pictures.next().await {
                break error;
            }
        },
    }
}

/// Width and height from the picture's frame header.
pub(crate) fn size(jpeg: &[u8]) -> (u16, u16) {
    assert_eq!(&jpeg[..2], [0xFF, 0xD8], "no JPEG");
    let mut at = 2;
    loop {
        let length = usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        if matches!(jpeg[at + 1], 0xC0..=0xC2) {
            let number = |at: usize| u16::from_be_bytes([jpeg[at], jpeg[at + 1]]);
            return (number(at + 7), number(at + 5));
        }
        at += 2 + length;
    }
}

#[tokio::test]
async fn a_film_is_paced_looped_and_thinned_out() {
    let material = Material::new();
    let film = material.film(30, 30);
    let mut pictures = open(film.display(), FORMAT).unwrap();
    let began = Instant::now();
    // One second of film yields ten pictures: thirty-five need more than three rounds.
    let taken = take(&mut *pictures, 35).await.unwrap();
    let took = began.elapsed();
    assert!(took > Duration::from_millis(3300), "too fast: {took:?}");
    assert!(
        taken
            .iter()
            .all(|picture| size(&picture.jpeg) == (160, 120))
    );
    let pauses: Vec<_> = taken
        .windows(2)
        .map(|pair| pair[1].captured_at.as_micros() - pair[0].captured_at.as_micros())
        .collect();
    // Timestamps go on evenly over the seams of the loop.
    let even = pauses
        .iter()
        .filter(|pause| (50_000..150_000).contains(*pause))
        .count();
    assert!(even >= 33, "{pauses:?}");
    // By their own times, which a busy machine does not stretch, they are no slower than wanted either.
    let all = pauses.iter().sum::<i64>();
    assert!((3_200_000..3_700_000).contains(&all), "{pauses:?}");
    assert_eq!(pictures.overruns(), 0);
}

#[tokio::test]
async fn a_picture_that_nobody_takes_is_counted() {
    let mut pictures = open(
        "test://ball",
        Format {
            fps: 30.0,
            ..FORMAT
        },
    )
    .unwrap();
    eventually("a picture is dropped", || pictures.overruns() > 0).await;
    pictures.next().await.unwrap();
}

#[tokio::test]
async fn a_pattern_and_its_shape() {
    let mut pictures = open("test://", FORMAT).unwrap();
    let taken = take(&mut *pictures, 3).await.unwrap();
    assert_eq!(size(&taken[0].jpeg), (160, 120));
}

#[tokio::test]
async fn pictures_in_a_directory_and_alone() {
    for encoder in ["jpegenc", "pngenc"] {
        let material = Material::new();
        let directory = material.pictures(2, encoder);
        for path in [directory.join("000.img"), directory] {
            let began = Instant::now();
            let mut pictures = open(path.display(), FORMAT).unwrap();
            let taken = take(&mut *pictures, 5).await.unwrap();
            assert!(began.elapsed() > Duration::from_millis(350), "not paced");
            assert_eq!(size(&taken[4].jpeg), (160, 120));
        }
    }
}

#[tokio::test]
async fn a_broken_picture_does_not_stop_the_others() {
    let material = Material::new();
    let directory = material.pictures(3, "jpegenc");
    truncate(&directory.join("001.img"), 0.1);
    let mut pictures = open(directory.display(), FORMAT).unwrap();
    take(&mut *pictures, 6).await.unwrap();
}

#[tokio::test]
async fn what_is_not_there_is_missing() {
    for location in ["/no/such/film.mp4", "/dev/video77"] {
        let error = failure(location).await;
        assert!(matches!(error, Error::Missing(_)), "{error:?}");
        assert_eq!(error.to_string(), format!("{location} does not exist"));
    }
}

#[tokio::test]
async fn what_is_no_film_says_so() {
    let material = Material::new();
    let notes = material.path("notes.mp4");
    for content in ["", "just some notes, longer than a header"] {
        fs::write(&notes, content).unwrap();
        let error = failure(notes.display()).await;
        assert!(
            error.to_string().starts_with("no H.264 video (MP4) in "),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_film_of_another_codec_names_it() {
    let material = Material::new();
    let film = material.film_of(10, 10, "avenc_mpeg4");
    let error = failure(film.display()).await;
    assert!(
        error.to_string().ends_with("it holds video/mpeg"),
        "{error}"
    );
}

#[tokio::test]
async fn a_film_without_its_index_is_damaged() {
    let material = Material::new();
    let film = material.film(30, 30);
    // mp4mux writes the index last.
    truncate(&film, 0.5);
    let error = failure(film.display()).await;
    assert_eq!(error.cause(), Cause::Unplayable, "{error:?}");
}

#[tokio::test]
async fn a_film_of_garbage_is_damaged() {
    let material = Material::new();
    let film = material.film(30, 30);
    let mut content = fs::read(&film).unwrap();
    let data = content.windows(4).position(|part| part == b"mdat").unwrap() + 8;
    let end = content
        .windows(4)
        .rposition(|part| part == b"moov")
        .unwrap()
        - 4;
    content[data..end].fill(0x55);
    fs::write(&film, content).unwrap();
    let error = failure(film.display()).await;
    assert_eq!(error.cause(), Cause::Unplayable, "{error:?}");
}

#[tokio::test]
async fn reconnecting_leaks_no_threads() {
    let threads = || fs::read_dir("/proc/self/task").unwrap().count();
    let material = Material::new();
    let film = material.film(10, 10);
    let mut before = 0;
    for round in 0..30 {
        let mut pictures = open(film.display(), FORMAT).unwrap();
        take(&mut *pictures, 1).await.unwrap();
        drop(pictures);
        if round == 5 {
            before = threads();
        }
    }
    // GLib keeps a few idle threads, and other tests of this process run beside this one.
    eventually("threads end", || threads() <= before + 10).await;
}

#[tokio::test]
async fn what_a_mask_hides_is_black_and_the_rest_is_not() {
    let left = vec![[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]];
    let format = Format {
        masks: vec![left.try_into().unwrap()],
        ..FORMAT
    };
    let mut pictures = open("test://", format).unwrap();
    for picture in take(&mut *pictures, 3).await.unwrap() {
        let picture = airside_imaging::decode(&picture.jpeg, &Default::default()).unwrap();
        let brightest = |from: usize, to: usize| {
            let rows = picture.pixels().chunks_exact(160 * 3);
            rows.flat_map(|row| &row[from * 3..to * 3]).copied().max()
        };
        // The encoder blurs the edge by a block of 16 pixels.
        assert!(brightest(0, 64) < Some(40), "{:?}", brightest(0, 64));
        assert!(brightest(96, 160) > Some(100));
    }
}

#[tokio::test]
async fn a_film_plays_once_as_fast_as_it_is_taken() {
    let material = Material::new();
    let film = material.film(120, 10);
    let format = Format { fps: 5.0, ..FORMAT };
    let began = Instant::now();
    let mut pictures = play_once(&film, &format).unwrap();
    let mut times = Vec::new();
    let end = loop {
        match pictures.next().await {
            Ok(picture) => times.push(picture.captured_at.as_micros() / 1000),
            Err(error) => break error,
        }
        assert_eq!(pictures.length(), Some(Duration::from_secs(12)));
    };
    assert!(matches!(end, Error::Ended { .. }), "{end}");
    assert_eq!(times, (0..60).map(|n| n * 200).collect::<Vec<_>>());
    assert!(
        began.elapsed() < Duration::from_secs(12),
        "it need not wait for the film's time"
    );

    // Whoever stops in between leaves nothing that waits.
    let mut pictures = play_once(&film, &format).unwrap();
    pictures.next().await.unwrap();
    drop(pictures);
}
