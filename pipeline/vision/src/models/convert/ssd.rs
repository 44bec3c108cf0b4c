//! `ssd_mobilenetv1`: MobileNet with six maps of boxes. The package runs it on squares of 512; the graph here takes any sides
//! that are multiples of 32.

use super::graph::{Edge, Graph, Window, float, int, ints};
use super::onnx::Length;
use super::weights::Weights;
use super::{ConvertError, Converted};
use crate::models::{FeatureMap, SsdSpec};

/// The side the anchors in the package belong to.
const ANCHOR_SIDE: u32 = 512;
/// Cells along one side at that size, and boxes a cell, of each map.
const MAPS: [(u32, usize); 6] = [(32, 3), (16, 6), (8, 6), (4, 6), (2, 6), (1, 6)];
/// Depthwise layers that halve the picture, and those whose output is a map.
const HALVING_LAYERS: [usize; 4] = [2, 4, 6, 12];
const MAP_LAYERS: [usize; 2] = [11, 13];
/// What keeps batch normalisation from dividing by zero.
const EPSILON: f64 = 0.001_000_000_047_497_451_3;
/// Values are brought to -1..1.
const MEAN: f32 = 127.5;

/// Found best on 200 WIDER pictures: a longer side of 640 and a threshold of 0.4 instead of the package's 0.5.
const LONG_SIDE: u32 = 640;
const THRESHOLD: f32 = 0.4;
/// Portraits that fill the picture: at 640 it finds none of 40, at 256 all, for a sixth of the work.
const SECOND_SIDE: u32 = 256;
const OVERLAP: f32 = 0.5;

/// TensorFlow's `same` puts one row after an even side, but two after an odd one, to stay on the grid. Two always give the
/// right number of places; after an even side the second is never read.
const HALVING: Window = Window {
    stride: 2,
    border: [0, 0, 2, 2],
};

pub(super) fn convert(weights: &Weights) -> Result<(Converted, SsdSpec), ConvertError> {
    let named = |name: &str| Length::Named(name.into());
    let mut net = Mobilenet {
        graph: Graph::new("ssd_mobilenetv1", named("height"), named("width")),
        weights,
    };
    let maps = net.maps()?;
    let (mut boxes, mut scores) = (Vec::new(), Vec::new());
    for (index, map) in maps.iter().enumerate() {
        boxes.push(net.predict(
            map,
            &format!("Prediction/BoxPredictor_{index}/BoxEncodingPredictor"),
            4,
        )?);
        scores.push(net.predict(
            map,
            &format!("Prediction/BoxPredictor_{index}/ClassPredictor"),
            3,
        )?);
    }
    let mut graph = net.graph;
    let boxes = graph.node(
        "Concat",
        &boxes.iter().collect::<Vec<_>>(),
        vec![int("axis", 1)],
    );
    let scores = graph.node(
        "Concat",
        &scores.iter().collect::<Vec<_>>(),
        vec![int("axis", 1)],
    );
    let scores = graph.node("Sigmoid", &[&scores], Vec::new());
    let shape = |last| [Length::Fixed(1), named("anchors"), Length::Fixed(last)];
    let bytes = graph.finish(&[(&boxes, "boxes", &shape(4)), (&scores, "scores", &shape(3))]);
    let net = Converted {
        file: "ssd_mobilenetv1.onnx",
        bytes,
    };
    let spec = SsdSpec {
        long_side: LONG_SIDE,
        second_side: Some(SECOND_SIDE),
        multiple: 32,
        threshold: THRESHOLD,
        overlap: OVERLAP,
        boxes_output: "boxes".into(),
        scores_output: "scores".into(),
        face_class: 1,
        net: net.spec([MEAN; 3], 1.0 / MEAN),
        maps: anchors(weights)?,
    };
    Ok((net, spec))
}

struct Mobilenet<'a> {
    graph: Graph,
    weights: &'a Weights,
}

impl Mobilenet<'_> {
    fn maps(&mut self) -> Result<Vec<Edge>, ConvertError> {
        let mut maps = Vec::new();
        let input = self.graph.input();
        let mut x = self.pointwise(&input, "MobilenetV1/Conv2d_0_pointwise", HALVING)?;
        for layer in 1..=13 {
            let window = if HALVING_LAYERS.contains(&layer) {
                HALVING
            } else {
                Window::SAME
            };
            x = self.depthwise(&x, &format!("MobilenetV1/Conv2d_{layer}_depthwise"), window)?;
            x = self.pointwise(
                &x,
                &format!("MobilenetV1/Conv2d_{layer}_pointwise"),
                Window::PLAIN,
            )?;
            if MAP_LAYERS.contains(&layer) {
                maps.push(x.clone());
            }
        }
        for layer in 0..8 {
            let halves = layer % 2 == 1;
            let window = if halves { HALVING } else { Window::PLAIN };
            x = self.pointwise(&x, &format!("Prediction/Conv2d_{layer}_pointwise"), window)?;
            if halves {
                maps.push(x.clone());
            }
        }
        Ok(maps)
    }

    /// A convolution over all channels; the file has its batch normalisation folded in already.
    fn pointwise(&mut self, x: &Edge, name: &str, window: Window) -> Result<Edge, ConvertError> {
        let filter = self.weights.tensor(&format!("{name}/weights"), 4)?;
        let bias = self
            .weights
            .vector(&format!("{name}/convolution_bn_offset"))?;
        let x = self.graph.convolve(x, filter, Some(bias), window);
        Ok(self.clip(&x))
    }

    /// A convolution of each channel, with its batch normalisation folded in here.
    fn depthwise(&mut self, x: &Edge, name: &str, window: Window) -> Result<Edge, ConvertError> {
        let batch = |part: &str| self.weights.vector(&format!("{name}/BatchNorm/{part}"));
        let (gamma, beta, mean, variance) = (
            batch("gamma")?,
            batch("beta")?,
            batch("moving_mean")?,
            batch("moving_variance")?,
        );
        let spread = variance
            .iter()
            .map(|&variance| (f64::from(variance) + EPSILON).sqrt());
        let factors: Vec<f64> = gamma
            .iter()
            .zip(spread)
            .map(|(&gamma, spread)| f64::from(gamma) / spread)
            .collect();
        let shifted = beta.iter().zip(mean).zip(&factors);
        let bias: Vec<f32> = shifted
            .map(|((&b, &m), f)| (f64::from(b) - f64::from(m) * f) as f32)
            .collect();
        let filter = self
            .weights
            .tensor(&format!("{name}/depthwise_weights"), 4)?
            .clone()
            .scaled(2, &factors);
        let x = self.graph.depthwise(x, &filter, Some(&bias), window);
        Ok(self.clip(&x))
    }

    /// `ReLU6`.
    fn clip(&mut self, x: &Edge) -> Edge {
        self.graph
            .node("Clip", &[x], vec![float("min", 0.0), float("max", 6.0)])
    }

    /// One row of `values` for each box of each cell.
    fn predict(&mut self, map: &Edge, name: &str, values: i64) -> Result<Edge, ConvertError> {
        let filter = self.weights.tensor(&format!("{name}/weights"), 4)?;
        let bias = self.weights.vector(&format!("{name}/biases"))?;
        let x = self.graph.convolve(map, filter, Some(bias), Window::PLAIN);
        let x = self
            .graph
            .node("Transpose", &[&x], vec![ints("perm", &[0, 2, 3, 1])]);
        let shape = self.graph.integers(&[1, -1, values]);
        Ok(self.graph.node("Reshape", &[&x, &shape], Vec::new()))
    }
}

/// The anchors of each map's first cell; those of the others are the same, moved.
fn anchors(weights: &Weights) -> Result<Vec<FeatureMap>, ConvertError> {
    let all = weights.tensor("Output/extra_dim", 3)?;
    let rows: Vec<[f32; 4]> = all
        .values
        .chunks_exact(4)
        .map(|row| [row[0], row[1], row[2], row[3]])
        .collect();
    let mut start = 0;
    let mut maps = Vec::new();
    for (cells, boxes) in MAPS {
        let first = rows
            .get(start..start + boxes)
            .ok_or_else(|| weights.wrong("too few anchors".into()))?;
        let pixels = |row: &[f32; 4]| row.map(|share| share * ANCHOR_SIDE as f32);
        maps.push(FeatureMap {
            stride: ANCHOR_SIDE / cells,
            boxes: first.iter().map(pixels).collect(),
        });
        start += (cells * cells) as usize * boxes;
    }
    if start == rows.len() {
        Ok(maps)
    } else {
        Err(weights.wrong(format!("{} anchors instead of {start}", rows.len())))
    }
}
