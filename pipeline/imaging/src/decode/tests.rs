//! Pictures of every kind we accept, and bytes of kinds we do not.

use opencv::core::{Vector, VectorToVec};
use proptest::prelude::*;
use turbojpeg::{Colorspace, Compressor, Image, PixelFormat, Subsamp};

use super::*;
use crate::mat::{self, Shape};

const WIDTH: u32 = 96;
const HEIGHT: u32 = 64;

/// Left half reddish, right half bluish.
fn halves() -> Picture {
    let mut picture = Picture::filled(WIDTH, HEIGHT, [200, 40, 30]);
    picture.paste(
        &Picture::filled(WIDTH / 2, HEIGHT, [20, 60, 180]),
        WIDTH / 2,
        0,
    );
    picture
}

fn assert_halves(picture: &Picture, expected: [[u8; 3]; 2]) {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    for (share, colour) in [1, 3].into_iter().zip(expected) {
        let at = (height / 2 * width + width * share / 4) * Picture::CHANNELS;
        let found = &picture.pixels()[at..at + Picture::CHANNELS];
        assert!(
            found.iter().zip(colour).all(|(a, b)| a.abs_diff(b) <= 4),
            "{found:?} is not {colour:?}"
        );
    }
}

const COLOURS: [[u8; 3]; 2] = [[200, 40, 30], [20, 60, 180]];

fn jpeg(configure: impl FnOnce(&mut Compressor), format: PixelFormat, pixels: &[u8]) -> Vec<u8> {
    let mut compressor = Compressor::new().unwrap();
    compressor.set_quality(95).unwrap();
    configure(&mut compressor);
    let pitch = WIDTH as usize * format.size();
    let image = Image {
        pixels,
        width: WIDTH as usize,
        pitch,
        height: HEIGHT as usize,
        format,
    };
    compressor.compress_to_vec(image).unwrap()
}

fn baseline() -> Vec<u8> {
    jpeg(
        |compressor| compressor.set_subsamp(Subsamp::None).unwrap(),
        PixelFormat::RGB,
        halves().pixels(),
    )
}

fn png() -> Vec<u8> {
    let mut bgr = halves();
    bgr.pixels_mut()
        .chunks_exact_mut(3)
        .for_each(|pixel| pixel.reverse());
    let shape = Shape {
        width: WIDTH,
        height: HEIGHT,
        channels: 3,
    };
    mat::view(bgr.pixels(), shape, |bgr| {
        let mut bytes = Vector::new();
        opencv::imgcodecs::imencode_def(".png", bgr, &mut bytes)?;
        Ok(bytes.to_vec())
    })
    .unwrap()
}

fn whole(bytes: &[u8]) -> Result<Picture> {
    decode(bytes, &Limits::default())
}

#[test]
fn baseline_progressive_and_png_show_the_same() {
    let progressive = jpeg(
        |compressor| compressor.set_progressive(true).unwrap(),
        PixelFormat::RGB,
        halves().pixels(),
    );
    for bytes in [baseline(), progressive] {
        let picture = whole(&bytes).unwrap();
        assert_eq!((picture.width(), picture.height()), (WIDTH, HEIGHT));
        assert_halves(&picture, COLOURS);
    }
    assert_eq!(whole(&png()).unwrap(), halves(), "PNG keeps every pixel");
}

#[test]
fn every_kind_of_png_becomes_rgb() {
    use ::png::{BitDepth, ColorType, Encoder};
    let encode = |colour, depth, palette: Option<&[u8]>, samples: &[u8]| {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, 2, 1);
        encoder.set_color(colour);
        encoder.set_depth(depth);
        if let Some(palette) = palette {
            encoder.set_palette(palette.to_vec());
        }
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(samples).unwrap();
        writer.finish().unwrap();
        whole(&bytes).unwrap().pixels().to_vec()
    };
    let grey = [40, 40, 40, 200, 200, 200];
    let colours = [1, 2, 3, 250, 251, 252];
    let (eight, sixteen) = (BitDepth::Eight, BitDepth::Sixteen);
    assert_eq!(encode(ColorType::Grayscale, eight, None, &[40, 200]), grey);
    assert_eq!(
        encode(ColorType::GrayscaleAlpha, eight, None, &[40, 9, 200, 0]),
        grey
    );
    assert_eq!(
        encode(
            ColorType::Rgba,
            eight,
            None,
            &[1, 2, 3, 0, 250, 251, 252, 9]
        ),
        colours
    );
    let wide: Vec<u8> = colours.iter().flat_map(|&sample| [sample, 7]).collect();
    assert_eq!(encode(ColorType::Rgb, sixteen, None, &wide), colours);
    // Two pixels of one bit each: the second colour, then the first.
    let palette = [250, 251, 252, 1, 2, 3];
    assert_eq!(
        encode(
            ColorType::Indexed,
            BitDepth::One,
            Some(&palette),
            &[0b1000_0000]
        ),
        colours
    );
}

#[test]
fn grey_becomes_rgb() {
    let grey: Vec<u8> = (0..HEIGHT)
        .flat_map(|_| (0..WIDTH).map(|x| if x < WIDTH / 2 { 50 } else { 220 }))
        .collect();
    let bytes = jpeg(
        |compressor| compressor.set_subsamp(Subsamp::Gray).unwrap(),
        PixelFormat::GRAY,
        &grey,
    );
    assert_halves(&whole(&bytes).unwrap(), [[50; 3], [220; 3]]);
}

#[test]
fn inks_become_rgb() {
    // Inverted inks: full light of a colour is 255, and so is no black.
    let inks: Vec<u8> = halves()
        .pixels()
        .chunks_exact(3)
        .flat_map(|p| [p[0], p[1], p[2], 255])
        .collect();
    for space in [Colorspace::CMYK, Colorspace::YCCK] {
        let configure = |compressor: &mut Compressor| {
            compressor.set_subsamp(Subsamp::None).unwrap();
            compressor.set_colorspace(space).unwrap();
        };
        assert_halves(
            &whole(&jpeg(configure, PixelFormat::CMYK, &inks)).unwrap(),
            COLOURS,
        );
    }
}

#[test]
fn a_large_jpeg_is_decoded_small_where_that_is_enough() {
    let sizes = [
        (1, 12),
        (12, 12),
        (13, 24),
        (40, 48),
        (49, 96),
        (96, 96),
        (500, 96),
    ];
    for (wanted, got) in sizes {
        let picture = decode_at_least(&baseline(), wanted, &Limits::default()).unwrap();
        assert_eq!(picture.width(), got, "for {wanted}");
        assert_halves(&picture, COLOURS);
    }
    assert_eq!(
        decode_at_least(&png(), 1, &Limits::default())
            .unwrap()
            .width(),
        WIDTH
    );
}

#[test]
fn the_header_is_judged_before_anything_is_decoded() {
    let limits = Limits {
        max_pixels: u64::from(WIDTH * HEIGHT),
    };
    let few = Limits {
        max_pixels: limits.max_pixels - 1,
    };
    for bytes in [baseline(), png()] {
        assert!(decode(&bytes, &limits).is_ok());
        assert!(matches!(
            decode(&bytes, &few),
            Err(Error::TooLarge {
                width: WIDTH,
                height: HEIGHT,
                limit: 6143
            })
        ));
        // The end is missing: a decoder would call it broken.
        assert!(matches!(
            decode(&bytes[..bytes.len() - 20], &few),
            Err(Error::TooLarge { .. })
        ));
    }
    let mut vast = png();
    vast[16..24].copy_from_slice(&[0, 0, 0x1F, 0x40, 0, 0, 0x1F, 0x40]);
    assert!(matches!(
        whole(&vast),
        Err(Error::TooLarge {
            width: 8000,
            height: 8000,
            ..
        })
    ));
    vast[16..20].copy_from_slice(&[0; 4]);
    assert!(matches!(whole(&vast), Err(Error::Broken(_))));
}

#[test]
fn what_ends_early_is_broken() {
    for bytes in [baseline(), png()] {
        for end in (8..bytes.len() - 1)
            .step_by(bytes.len() / 40 + 1)
            .chain([bytes.len() - 2])
        {
            assert!(
                matches!(whole(&bytes[..end]), Err(Error::Broken(_))),
                "{end} of {} bytes",
                bytes.len()
            );
        }
    }
}

#[test]
fn other_files_are_not_pictures() {
    for bytes in [&b""[..], b"GIF89a", b"\xFF\xD8", b"%PDF-1.7", b"\x89PNG"] {
        assert!(matches!(whole(bytes), Err(Error::NotAPicture)));
    }
}

#[test]
fn a_thousand_passes_are_refused() {
    let progressive = jpeg(
        |compressor| compressor.set_progressive(true).unwrap(),
        PixelFormat::RGB,
        halves().pixels(),
    );
    // A scan starts with FF DA; the last one is repeated before the end mark.
    let last = progressive
        .windows(2)
        .rposition(|pair| pair == [0xFF, 0xDA])
        .unwrap();
    let (start, end) = progressive.split_at(progressive.len() - 2);
    let bytes = [start, &start[last..].repeat(1000), end].concat();
    assert!(matches!(whole(&bytes), Err(Error::Broken(_))));
}

proptest! {
    #[test]
    fn damaged_pictures_never_panic(
        which in 0..2usize,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let mut bytes = [baseline(), png()][which].clone();
        for (index, value) in damage {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(picture) = whole(&bytes) {
            prop_assert!(u64::from(picture.width()) * u64::from(picture.height()) <= Limits::default().max_pixels);
        }
    }

    #[test]
    fn noise_behind_a_signature_never_panics(which in 0..2usize, noise in prop::collection::vec(any::<u8>(), 0..300)) {
        let bytes = [[jpeg::SIGNATURE, png::SIGNATURE][which], &noise].concat();
        let _ = whole(&bytes);
    }
}
