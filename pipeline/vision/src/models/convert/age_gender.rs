//! The age and gender net: a small Xception with two heads.

use super::graph::{Edge, Graph, Window, int};
use super::onnx::Length;
use super::weights::Weights;
use super::{ConvertError, Converted, FACE_MEAN, FACE_SCALE};
use crate::models::AgeGenderSpec;

const SIDE: u32 = 112;
const MAIN_BLOCKS: usize = 2;
const LAST_SIDE: i64 = 7;
const AGE: &str = "age";
const GENDER: &str = "gender";
const HALVING_POINTWISE: Window = Window {
    stride: 2,
    border: [0; 4],
};

pub(super) fn convert(weights: &Weights) -> Result<(Converted, AgeGenderSpec), ConvertError> {
    let mut graph = Graph::square("age_gender", SIDE);
    let x = graph.input();
    let filter = weights.tensor("entry_flow/conv_in/filters", 4)?;
    let x = graph.convolve(
        &x,
        filter,
        Some(weights.vector("entry_flow/conv_in/bias")?),
        Window::HALVING,
    );
    let x = graph.relu(&x);
    let x = reduction(
        &mut graph,
        weights,
        &x,
        "entry_flow/reduction_block_0",
        false,
    )?;
    let mut x = reduction(
        &mut graph,
        weights,
        &x,
        "entry_flow/reduction_block_1",
        true,
    )?;
    for block in 0..MAIN_BLOCKS {
        let mut inner = x.clone();
        for layer in 0..3 {
            let active = graph.relu(&inner);
            let name = format!("middle_flow/main_block_{block}/separable_conv{layer}");
            inner = graph.separable(&active, weights, &name, Window::SAME)?;
        }
        x = graph.add(&inner, &x);
    }
    let x = reduction(&mut graph, weights, &x, "exit_flow/reduction_block", true)?;
    let x = graph.separable(&x, weights, "exit_flow/separable_conv", Window::SAME)?;
    let x = graph.relu(&x);
    let x = graph.pool("AveragePool", &x, LAST_SIDE, Window::PLAIN);
    let age = graph.dense(
        &x,
        weights.tensor("fc/age/weights", 2)?,
        weights.vector("fc/age/bias")?,
    );
    let genders = graph.dense(
        &x,
        weights.tensor("fc/gender/weights", 2)?,
        weights.vector("fc/gender/bias")?,
    );
    let genders = graph.node("Softmax", &[&genders], vec![int("axis", 1)]);
    let (one, two) = (Length::Fixed(1), Length::Fixed(2));
    let bytes = graph.finish(&[
        (&age, AGE, &[one.clone(), one.clone()]),
        (&genders, GENDER, &[one, two]),
    ]);
    let net = Converted {
        file: "age_gender.onnx",
        bytes,
    };
    let spec = AgeGenderSpec {
        side: SIDE,
        age_output: AGE.into(),
        gender_output: GENDER.into(),
        male_index: 0,
        net: net.spec(FACE_MEAN, FACE_SCALE),
    };
    Ok((net, spec))
}

/// Two layers and a maximum over every second place, beside a plain shortcut.
fn reduction(
    graph: &mut Graph,
    weights: &Weights,
    x: &Edge,
    name: &str,
    activate: bool,
) -> Result<Edge, ConvertError> {
    let start = if activate { graph.relu(x) } else { x.clone() };
    let inner = graph.separable(
        &start,
        weights,
        &format!("{name}/separable_conv0"),
        Window::SAME,
    )?;
    let inner = graph.relu(&inner);
    let inner = graph.separable(
        &inner,
        weights,
        &format!("{name}/separable_conv1"),
        Window::SAME,
    )?;
    let inner = graph.pool("MaxPool", &inner, 3, Window::HALVING);
    let filter = weights.tensor(&format!("{name}/expansion_conv/filters"), 4)?;
    let bias = weights.vector(&format!("{name}/expansion_conv/bias"))?;
    let shortcut = graph.convolve(x, filter, Some(bias), HALVING_POINTWISE);
    Ok(graph.add(&inner, &shortcut))
}
