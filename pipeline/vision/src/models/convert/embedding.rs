//! The 128-number embedding: dlib's residual net with 29 layers, its scale layers folded into the convolutions.

use super::graph::{Edge, Graph, Window, float, ints, text};
use super::onnx::Length;
use super::weights::Weights;
use super::{ConvertError, Converted, FACE_MEAN, FACE_SCALE};
use crate::Metric;
use crate::models::{Alignment, EmbeddingSpec};

const SIDE: u32 = 150;
const DIMENSION: usize = 128;
/// Strict: one of a thousand strangers is taken for somebody. 0.55 is usual, 0.6 lets 25 of a thousand in.
const THRESHOLD: f32 = 0.5;
const OUTPUT: &str = "descriptor";

/// Every second pixel without a border: the picture ends where the window does.
const HALVING: Window = Window {
    stride: 2,
    border: [0; 4],
};

/// What is known of an edge: sides of the picture and channels.
#[derive(Clone)]
struct Layer {
    edge: Edge,
    side: i64,
    channels: i64,
}

pub(super) fn convert(weights: &Weights) -> Result<(Converted, EmbeddingSpec), ConvertError> {
    let mut net = Resnet {
        graph: Graph::square("face_recognition", SIDE),
        weights,
    };
    let input = net.graph.input();
    let edge = net.scaled(&input, "conv32_down", HALVING)?;
    let edge = net.graph.relu(&edge);
    let edge = net.graph.pool("MaxPool", &edge, 3, HALVING);
    // (150 - 7) / 2 + 1 = 72, then (72 - 3) / 2 + 1 = 35.
    let mut layer = Layer {
        edge,
        side: 35,
        channels: 32,
    };
    for (channels, blocks) in [(32, 3), (64, 3), (128, 2), (256, 2)] {
        if channels != layer.channels {
            layer = net.halve(&layer, &format!("conv{channels}_down"), channels)?;
        }
        for block in 1..=blocks {
            layer.edge = net.residual(&layer.edge, &format!("conv{channels}_{block}"))?;
        }
    }
    let layer = net.halve(&layer, "conv256_down_out", 256)?;
    let mut graph = net.graph;
    let pooled = graph.node("GlobalAveragePool", &[&layer.edge], Vec::new());
    let descriptor = graph.dense(&pooled, weights.tensor("fc", 2)?, &[0.0; DIMENSION]);
    let bytes = graph.finish(&[(
        &descriptor,
        OUTPUT,
        &[Length::Fixed(1), Length::Fixed(DIMENSION as i64)],
    )]);
    let net = Converted {
        file: "face_recognition.onnx",
        bytes,
    };
    let spec = EmbeddingSpec {
        side: SIDE,
        alignment: Alignment::EyesAndMouth,
        output: OUTPUT.into(),
        dimension: DIMENSION,
        metric: Metric::Euclidean,
        threshold: THRESHOLD,
        net: net.spec(FACE_MEAN, FACE_SCALE),
    };
    Ok((net, spec))
}

struct Resnet<'a> {
    graph: Graph,
    weights: &'a Weights,
}

impl Resnet<'_> {
    /// A convolution and the scale layer behind it, as one.
    fn scaled(&mut self, x: &Edge, name: &str, window: Window) -> Result<Edge, ConvertError> {
        let scale: Vec<f64> = self
            .weights
            .vector(&format!("{name}/scale/weights"))?
            .iter()
            .map(|&scale| f64::from(scale))
            .collect();
        let shift = self.weights.vector(&format!("{name}/scale/biases"))?;
        let bias = self.weights.vector(&format!("{name}/conv/bias"))?;
        let bias: Vec<f32> = bias
            .iter()
            .zip(&scale)
            .zip(shift)
            .map(|((&b, s), &t)| (f64::from(b) * s + f64::from(t)) as f32)
            .collect();
        let filter = self
            .weights
            .tensor(&format!("{name}/conv/filters"), 4)?
            .clone()
            .scaled(3, &scale);
        Ok(self.graph.convolve(x, &filter, Some(&bias), window))
    }

    fn residual(&mut self, x: &Edge, name: &str) -> Result<Edge, ConvertError> {
        let inner = self.pair(x, name, Window::SAME)?;
        let sum = self.graph.add(&inner, x);
        Ok(self.graph.relu(&sum))
    }

    fn pair(&mut self, x: &Edge, name: &str, window: Window) -> Result<Edge, ConvertError> {
        let first = self.scaled(x, &format!("{name}/conv1"), window)?;
        let first = self.graph.relu(&first);
        self.scaled(&first, &format!("{name}/conv2"), Window::SAME)
    }

    /// A residual block at half the size. The shortcut is a mean over pairs; where both ways differ in size, zeros fill up.
    fn halve(&mut self, x: &Layer, name: &str, channels: i64) -> Result<Layer, ConvertError> {
        let mut inner = self.pair(&x.edge, name, HALVING)?;
        let mut shortcut = self.graph.pool("AveragePool", &x.edge, 2, HALVING);
        let (inner_side, side) = ((x.side - 3) / 2 + 1, x.side / 2);
        if inner_side != side {
            inner = self.pad(&inner, [0, side - inner_side]);
        }
        if channels != x.channels {
            shortcut = self.pad(&shortcut, [channels - x.channels, 0]);
        }
        let sum = self.graph.add(&shortcut, &inner);
        Ok(Layer {
            edge: self.graph.relu(&sum),
            side,
            channels,
        })
    }

    /// Adds zero channels behind, and zero rows and columns below and right.
    fn pad(&mut self, x: &Edge, [channels, pixels]: [i64; 2]) -> Edge {
        let pads = ints("pads", &[0, 0, 0, 0, 0, channels, pixels, pixels]);
        self.graph.node(
            "Pad",
            &[x],
            vec![text("mode", "constant"), float("value", 0.0), pads],
        )
    }
}
