//! The 68-point net: four blocks, each of which adds up the outputs of its layers, then a mean over all places.

use super::graph::{Edge, Graph, Window};
use super::onnx::Length;
use super::weights::Weights;
use super::{ConvertError, Converted, FACE_MEAN, FACE_SCALE};
use crate::models::LandmarksSpec;

const SIDE: u32 = 112;
const BLOCKS: usize = 4;
const LAYERS: usize = 4;
/// Four halvings leave 7 × 7.
const LAST_SIDE: i64 = 7;
const OUTPUT: &str = "landmarks";

pub(super) fn convert(weights: &Weights) -> Result<(Converted, LandmarksSpec), ConvertError> {
    let mut graph = Graph::square("face_landmark_68", SIDE);
    let mut x = graph.input();
    for block in 0..BLOCKS {
        x = dense_block(&mut graph, weights, &x, block)?;
    }
    let pooled = graph.pool("AveragePool", &x, LAST_SIDE, Window::PLAIN);
    let points = graph.dense(
        &pooled,
        weights.tensor("fc/weights", 2)?,
        weights.vector("fc/bias")?,
    );
    let bytes = graph.finish(&[(&points, OUTPUT, &[Length::Fixed(1), Length::Fixed(136)])]);
    let net = Converted {
        file: "face_landmark_68.onnx",
        bytes,
    };
    let spec = LandmarksSpec {
        side: SIDE,
        output: OUTPUT.into(),
        net: net.spec(FACE_MEAN, FACE_SCALE),
    };
    Ok((net, spec))
}

fn dense_block(
    graph: &mut Graph,
    weights: &Weights,
    x: &Edge,
    block: usize,
) -> Result<Edge, ConvertError> {
    let name = |layer: usize| format!("dense{block}/conv{layer}");
    let first = if block == 0 {
        let filter = weights.tensor(&format!("{}/filters", name(0)), 4)?;
        let bias = weights.vector(&format!("{}/bias", name(0)))?;
        graph.convolve(x, filter, Some(bias), Window::HALVING)
    } else {
        graph.separable(x, weights, &name(0), Window::HALVING)?
    };
    let mut sum = graph.relu(&first);
    let mut x = sum.clone();
    for layer in 1..LAYERS {
        let added = graph.separable(&x, weights, &name(layer), Window::SAME)?;
        sum = graph.add(&sum, &added);
        x = graph.relu(&sum);
    }
    Ok(x)
}
