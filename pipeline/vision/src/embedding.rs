//! Short numeric descriptions of faces, and how alike two of them are.

use serde::{Deserialize, Serialize};

use crate::models::EmbeddingSpec;
use crate::runtime::Net;
use crate::{Chip, Result};

/// How the distance of two embeddings is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// Length of the difference.
    Euclidean,
    /// One minus the cosine of the angle between them.
    Cosine,
}

/// Describes a face; faces of one person lie near one another.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding(pub Vec<f32>);

impl Embedding {
    /// Distance to `other`; infinite when they come from different nets.
    pub fn distance(&self, other: &Self, metric: Metric) -> f32 {
        if self.0.len() != other.0.len() {
            return f32::INFINITY;
        }
        let pairs = || self.0.iter().zip(&other.0);
        match metric {
            Metric::Euclidean => pairs().map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt(),
            Metric::Cosine => {
                let length =
                    |values: &[f32]| values.iter().map(|value| value * value).sum::<f32>().sqrt();
                let lengths = length(&self.0) * length(&other.0);
                if lengths > 0.0 {
                    1.0 - pairs().map(|(a, b)| a * b).sum::<f32>() / lengths
                } else {
                    f32::INFINITY
                }
            }
        }
    }
}

/// The embedding net.
pub(crate) struct EmbeddingNet {
    pub(crate) net: Net,
    pub(crate) spec: EmbeddingSpec,
}

impl EmbeddingNet {
    pub(crate) fn embed(&self, chip: &Chip) -> Result<Embedding> {
        if chip.side() != self.spec.side {
            let reason = format!(
                "a chip of {0}x{0} pixels instead of {1}x{1}",
                chip.side(),
                self.spec.side
            );
            return Err(self.net.failure(reason));
        }
        let [values] = self.net.run(&chip.0, [&self.spec.output])?;
        if values.len() != self.spec.dimension || !values.iter().all(|value| value.is_finite()) {
            return Err(self.net.failure(format!(
                "{} values instead of {}",
                values.len(),
                self.spec.dimension
            )));
        }
        Ok(Embedding(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        let (a, b) = (Embedding(vec![3.0, 0.0]), Embedding(vec![0.0, 4.0]));
        assert_eq!(a.distance(&b, Metric::Euclidean), 5.0);
        assert_eq!(a.distance(&b, Metric::Cosine), 1.0);
        assert_eq!(a.distance(&a, Metric::Cosine), 0.0);
        assert_eq!(
            a.distance(&Embedding(vec![0.0, 0.0]), Metric::Cosine),
            f32::INFINITY
        );
        assert_eq!(
            a.distance(&Embedding(vec![3.0]), Metric::Euclidean),
            f32::INFINITY
        );
    }
}
