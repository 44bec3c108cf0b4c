//! TensorFlow.js weights: a JSON list of tensors and one flat file in which they lie one after another, many as bytes with
//! `value = byte * scale + min`.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;

use super::ConvertError;

/// A tensor of floats in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tensor {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f32>,
}

impl Tensor {
    /// The tensor with its axes in another order; `order[i]` is the old axis that becomes axis `i`.
    pub(super) fn permuted<const N: usize>(&self, order: [usize; N]) -> Self {
        debug_assert_eq!(self.shape.len(), N);
        let mut strides = [1; N];
        for axis in (1..N).rev() {
            strides[axis - 1] = strides[axis] * self.shape[axis];
        }
        let shape = order.map(|axis| self.shape[axis]);
        let strides = order.map(|axis| strides[axis]);
        let mut values = Vec::with_capacity(self.values.len());
        let mut place = [0; N];
        for _ in 0..self.values.len() {
            values.push(
                self.values[place
                    .iter()
                    .zip(strides)
                    .map(|(index, stride)| index * stride)
                    .sum::<usize>()],
            );
            for axis in (0..N).rev() {
                place[axis] += 1;
                if place[axis] < shape[axis] {
                    break;
                }
                place[axis] = 0;
            }
        }
        Self {
            shape: shape.to_vec(),
            values,
        }
    }

    /// Multiplies along one axis by one factor an index.
    pub(super) fn scaled(mut self, axis: usize, factors: &[f64]) -> Self {
        let inner: usize = self.shape[axis + 1..].iter().product();
        for (index, value) in self.values.iter_mut().enumerate() {
            *value = (f64::from(*value) * factors[index / inner % factors.len()]) as f32;
        }
        self
    }
}

/// All tensors of one net, by name.
pub(super) struct Weights {
    file: String,
    tensors: HashMap<String, Tensor>,
}

#[derive(Deserialize)]
struct Group {
    paths: Vec<String>,
    weights: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    shape: Vec<usize>,
    dtype: Element,
    quantization: Option<Quantization>,
}

#[derive(Deserialize)]
struct Quantization {
    dtype: Element,
    scale: f64,
    min: f64,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Element {
    Float32,
    Int32,
    Uint8,
}

impl Element {
    fn read(self, bytes: &[u8]) -> Vec<f64> {
        let words = || {
            bytes
                .chunks_exact(4)
                .map(|word| [word[0], word[1], word[2], word[3]])
        };
        match self {
            Self::Float32 => words()
                .map(|word| f64::from(f32::from_le_bytes(word)))
                .collect(),
            Self::Int32 => words()
                .map(|word| f64::from(i32::from_le_bytes(word)))
                .collect(),
            Self::Uint8 => bytes.iter().map(|&byte| f64::from(byte)).collect(),
        }
    }

    fn size(self) -> usize {
        match self {
            Self::Float32 | Self::Int32 => 4,
            Self::Uint8 => 1,
        }
    }
}

impl Weights {
    /// Reads `<net>-weights_manifest.json` of `directory` and the files it names.
    pub(super) fn read(directory: &Path, net: &str) -> Result<Self, ConvertError> {
        let file = format!("{net}-weights_manifest.json");
        let read = |name: &str| {
            std::fs::read(directory.join(name)).map_err(|source| ConvertError::File {
                file: name.into(),
                source,
            })
        };
        let groups: Vec<Group> =
            serde_json::from_slice(&read(&file)?).map_err(|error| ConvertError::Content {
                file: file.clone(),
                reason: error.to_string(),
            })?;
        let mut weights = Self {
            file,
            tensors: HashMap::new(),
        };
        for group in groups {
            let mut bytes = Vec::new();
            for path in &group.paths {
                bytes.extend(read(path)?);
            }
            weights.take(group.weights, &bytes)?;
        }
        Ok(weights)
    }

    fn take(&mut self, entries: Vec<Entry>, mut bytes: &[u8]) -> Result<(), ConvertError> {
        for Entry {
            name,
            shape,
            dtype,
            quantization,
        } in entries
        {
            let stored = quantization
                .as_ref()
                .map_or(dtype, |quantization| quantization.dtype);
            let length = shape.iter().product::<usize>() * stored.size();
            let (part, rest) = bytes
                .split_at_checked(length)
                .ok_or_else(|| self.wrong(format!("{name} is cut off")))?;
            bytes = rest;
            let (scale, min) = quantization.map_or((1.0, 0.0), |quantization| {
                (quantization.scale, quantization.min)
            });
            let values = stored
                .read(part)
                .into_iter()
                .map(|value| (value * scale + min) as f32)
                .collect();
            self.tensors.insert(name, Tensor { shape, values });
        }
        if bytes.is_empty() {
            Ok(())
        } else {
            Err(self.wrong(format!("{} bytes are left over", bytes.len())))
        }
    }

    /// The tensor `name`, which must have `axes` axes.
    pub(super) fn tensor(&self, name: &str, axes: usize) -> Result<&Tensor, ConvertError> {
        match self.tensors.get(name) {
            Some(tensor) if tensor.shape.len() == axes => Ok(tensor),
            Some(tensor) => Err(self.wrong(format!(
                "{name} has shape {:?} instead of {axes} axes",
                tensor.shape
            ))),
            None => Err(self.wrong(format!("{name} is missing"))),
        }
    }

    /// The values of the one-dimensional tensor `name`.
    pub(super) fn vector(&self, name: &str) -> Result<&[f32], ConvertError> {
        Ok(&self.tensor(name, 1)?.values)
    }

    pub(super) fn wrong(&self, reason: String) -> ConvertError {
        ConvertError::Content {
            file: self.file.clone(),
            reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_change_places() {
        let tensor = Tensor {
            shape: vec![2, 3, 1, 2],
            values: (0..12u8).map(f32::from).collect(),
        };
        let turned = tensor.permuted([3, 2, 0, 1]);
        assert_eq!(turned.shape, [2, 1, 2, 3]);
        assert_eq!(
            turned.values,
            [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 1.0, 3.0, 5.0, 7.0, 9.0, 11.0]
        );
        assert_eq!(turned.permuted([2, 3, 1, 0]), tensor);
    }

    #[test]
    fn a_factor_belongs_to_its_axis() {
        let tensor = Tensor {
            shape: vec![2, 2, 1],
            values: vec![1.0; 4],
        };
        assert_eq!(
            tensor.clone().scaled(0, &[2.0, 3.0]).values,
            [2.0, 2.0, 3.0, 3.0]
        );
        assert_eq!(tensor.scaled(1, &[2.0, 3.0]).values, [2.0, 3.0, 2.0, 3.0]);
    }

    #[test]
    fn bytes_become_floats_and_a_short_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let json = r#"[{"paths":["n.bin"],"weights":[
            {"name":"a","shape":[2],"dtype":"float32","quantization":{"dtype":"uint8","scale":0.5,"min":-1.0}},
            {"name":"b","shape":[],"dtype":"float32"}]}]"#;
        std::fs::write(directory.path().join("n-weights_manifest.json"), json).unwrap();
        let write = |bytes: &[u8]| std::fs::write(directory.path().join("n.bin"), bytes).unwrap();
        write(&[0, 4, 0, 0, 128, 63]);
        let weights = Weights::read(directory.path(), "n").unwrap();
        assert_eq!(weights.vector("a").unwrap(), [-1.0, 1.0]);
        assert_eq!(weights.tensor("b", 0).unwrap().values, [1.0]);
        assert!(
            weights
                .vector("c")
                .unwrap_err()
                .to_string()
                .contains("c is missing")
        );
        write(&[0, 4, 0, 0]);
        assert!(
            Weights::read(directory.path(), "n")
                .err()
                .unwrap()
                .to_string()
                .contains("b is cut off")
        );
        write(&[0; 7]);
        assert!(
            Weights::read(directory.path(), "n")
                .err()
                .unwrap()
                .to_string()
                .contains("1 bytes are left over")
        );
    }
}
