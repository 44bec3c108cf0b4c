//! ONNX Runtime: finding its library, opening nets, running them.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use airside_imaging::Picture;
use ort::environment::Environment;
use ort::session::Session;
use ort::value::{Tensor, ValueType};

use crate::models::{Colour, NetSpec};
use crate::pool::Pool;
use crate::{Error, Result};

/// The library is loaded once a process; the first successful path stays.
static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);

/// Loads ONNX Runtime from `library`, or gives what was loaded before. The error is a plain sentence.
pub fn environment(library: Option<&Path>) -> std::result::Result<Environment, String> {
    let mut loaded = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(environment) = loaded.as_ref() {
        return Ok(environment.clone());
    }
    let library =
        library.ok_or("no ONNX Runtime library is named; `airside models pull` installs one")?;
    // The loader would also search the system's paths for a name that does not exist; we mean exactly this file.
    if !library.is_file() {
        return Err(format!(
            "the ONNX Runtime library {} does not exist",
            library.display()
        ));
    }
    let builder = ort::init_from(library).map_err(|error| format!("ONNX Runtime: {error}"))?;
    let environment = builder
        .with_name("airside")
        .build()
        .map_err(|error| format!("ONNX Runtime: {error}"))?;
    *loaded = Some(environment.clone());
    Ok(environment)
}

/// One net, open as often as it may run side by side.
pub(crate) struct Net {
    spec: NetSpec,
    sessions: Pool<Session>,
}

impl Net {
    /// Opens `file` `parallel` times and checks that it has the outputs `wanted`. Each session uses one thread: side by side
    /// they fill the cores better than one net spread over them.
    pub(crate) fn open(
        environment: &Environment,
        file: &Path,
        spec: &NetSpec,
        parallel: usize,
        wanted: &[&str],
    ) -> std::result::Result<Self, String> {
        let failed = |error: String| format!("{}: {error}", spec.file);
        let session = || -> std::result::Result<Session, String> {
            let builder = Session::builder(environment).map_err(|error| error.to_string())?;
            let builder = builder
                .with_intra_threads(1)
                .map_err(|error| error.to_string())?;
            let mut builder = builder
                .with_inter_threads(1)
                .map_err(|error| error.to_string())?;
            builder
                .commit_from_file(file)
                .map_err(|error| error.to_string())
        };
        let sessions = (0..parallel.max(1))
            .map(|_| session())
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(failed)?;
        check(&sessions[0], wanted).map_err(failed)?;
        Ok(Self {
            spec: spec.clone(),
            sessions: Pool::new(sessions),
        })
    }

    /// Runs the net on `picture` as it is and gives the named outputs, each flat in row-major order.
    pub(crate) fn run<const N: usize>(
        &self,
        picture: &Picture,
        outputs: [&str; N],
    ) -> Result<[Vec<f32>; N]> {
        let failed = |error: ort::Error| self.failure(error);
        let shape = [
            1,
            Picture::CHANNELS,
            picture.height() as usize,
            picture.width() as usize,
        ];
        let input = Tensor::from_array((shape, planes(picture, &self.spec))).map_err(failed)?;
        let mut session = self.sessions.borrow();
        let results = session.run(ort::inputs![input]).map_err(failed)?;
        let mut values = [const { Vec::new() }; N];
        for (value, name) in values.iter_mut().zip(outputs) {
            let output = results
                .get(name)
                .ok_or_else(|| self.failure(format!("no output named {name}")))?;
            *value = output
                .try_extract_tensor::<f32>()
                .map_err(failed)?
                .1
                .to_vec();
        }
        Ok(values)
    }

    /// An error of this net.
    pub(crate) fn failure(&self, reason: impl std::fmt::Display) -> Error {
        Error::Net {
            net: self.spec.file.clone(),
            reason: reason.to_string(),
        }
    }

    /// File of the net, as the manifest names it.
    pub(crate) fn name(&self) -> &str {
        &self.spec.file
    }
}

fn check(session: &Session, wanted: &[&str]) -> std::result::Result<(), String> {
    match session.inputs() {
        [input] if matches!(input.dtype(), ValueType::Tensor { shape, .. } if shape.len() == 4) => {
        }
        _ => return Err("it does not take one picture as its only input".into()),
    }
    match wanted.iter().find(|name| {
        session
            .outputs()
            .iter()
            .all(|output| output.name() != **name)
    }) {
        Some(missing) => Err(format!("it has no output named {missing}")),
        None => Ok(()),
    }
}

/// The picture as one plane a channel, in the net's colour order and normalisation.
fn planes(picture: &Picture, spec: &NetSpec) -> Vec<f32> {
    let order = match spec.colour {
        Colour::Rgb => [0, 1, 2],
        Colour::Bgr => [2, 1, 0],
    };
    let mut values = Vec::with_capacity(picture.pixels().len());
    for (channel, mean) in order.into_iter().zip(spec.mean) {
        let plane = picture.pixels().chunks_exact(Picture::CHANNELS);
        values.extend(plane.map(|pixel| (f32::from(pixel[channel]) - mean) * spec.scale));
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_follow_colour_order_and_normalisation() {
        let picture = Picture::new(2, 1, vec![1, 2, 3, 4, 5, 6]).unwrap();
        let mut spec = NetSpec::raw_rgb("net.onnx", "", "");
        assert_eq!(planes(&picture, &spec), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        spec.colour = Colour::Bgr;
        spec.mean = [3.0, 2.0, 1.0];
        spec.scale = 0.5;
        assert_eq!(planes(&picture, &spec), [0.0, 1.5, 0.0, 1.5, 0.0, 1.5]);
    }

    #[test]
    fn a_missing_library_is_a_sentence_not_a_panic() {
        let answer = environment(Some(Path::new("/nowhere/libonnxruntime.so")));
        // Another test of this process may have loaded the real library before.
        if let Err(reason) = answer {
            assert!(
                reason.contains("/nowhere/libonnxruntime.so does not exist"),
                "{reason}"
            );
        }
    }
}
