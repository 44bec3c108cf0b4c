//! Builds an ONNX graph node by node.

use prost::Message;

use super::ConvertError;
use super::onnx::{self, Attribute, Constant, Length, Node, attribute};
use super::weights::{Tensor, Weights};

/// What one node gives the next.
#[derive(Clone, Debug)]
pub(super) struct Edge(String);

/// Step and border (top, left, bottom, right) of a window that slides over a picture.
#[derive(Clone, Copy)]
pub(super) struct Window {
    pub(super) stride: i64,
    pub(super) border: [i64; 4],
}

impl Window {
    /// Every pixel; a window of one, or one that loses the edge.
    pub(super) const PLAIN: Self = Self {
        stride: 1,
        border: [0; 4],
    };
    /// Every pixel with a window of three.
    pub(super) const SAME: Self = Self {
        stride: 1,
        border: [1; 4],
    };
    /// Every second pixel with a window of three: TensorFlow's `same` puts the border of an even side after it.
    pub(super) const HALVING: Self = Self {
        stride: 2,
        border: [0, 0, 1, 1],
    };
}

/// A graph with one picture as its input.
pub(super) struct Graph {
    name: &'static str,
    input: [Length; 2],
    nodes: Vec<Node>,
    constants: Vec<Constant>,
}

impl Graph {
    /// A graph on pictures of `height` × `width`.
    pub(super) fn new(name: &'static str, height: Length, width: Length) -> Self {
        Self {
            name,
            input: [height, width],
            nodes: Vec::new(),
            constants: Vec::new(),
        }
    }

    /// A graph on squares.
    pub(super) fn square(name: &'static str, side: u32) -> Self {
        Self::new(name, Length::Fixed(side.into()), Length::Fixed(side.into()))
    }

    pub(super) fn input(&self) -> Edge {
        Edge("input".into())
    }

    /// A node of any kind.
    pub(super) fn node(
        &mut self,
        operator: &str,
        inputs: &[&Edge],
        attributes: Vec<Attribute>,
    ) -> Edge {
        let name = format!("{}_{}", operator.to_lowercase(), self.nodes.len());
        self.nodes.push(Node {
            inputs: inputs.iter().map(|edge| edge.0.clone()).collect(),
            outputs: vec![name.clone()],
            name: name.clone(),
            operator: operator.into(),
            attributes,
        });
        Edge(name)
    }

    pub(super) fn relu(&mut self, x: &Edge) -> Edge {
        self.node("Relu", &[x], Vec::new())
    }

    pub(super) fn add(&mut self, a: &Edge, b: &Edge) -> Edge {
        self.node("Add", &[a, b], Vec::new())
    }

    /// A convolution with a filter as TensorFlow stores it: height, width, inputs, outputs.
    pub(super) fn convolve(
        &mut self,
        x: &Edge,
        filter: &Tensor,
        bias: Option<&[f32]>,
        window: Window,
    ) -> Edge {
        self.convolution(x, &filter.permuted([3, 2, 0, 1]), bias, window, 1)
    }

    /// A convolution of every channel by itself; the filter's axes are height, width, channels, 1.
    pub(super) fn depthwise(
        &mut self,
        x: &Edge,
        filter: &Tensor,
        bias: Option<&[f32]>,
        window: Window,
    ) -> Edge {
        let filter = filter.permuted([2, 3, 0, 1]);
        let channels = filter.shape[0];
        self.convolution(x, &filter, bias, window, channels)
    }

    /// A depthwise convolution of three by three and a pointwise one, as the package stores them under `name`.
    pub(super) fn separable(
        &mut self,
        x: &Edge,
        weights: &Weights,
        name: &str,
        window: Window,
    ) -> Result<Edge, ConvertError> {
        let depthwise = weights.tensor(&format!("{name}/depthwise_filter"), 4)?;
        let pointwise = weights.tensor(&format!("{name}/pointwise_filter"), 4)?;
        let bias = weights.vector(&format!("{name}/bias"))?;
        let spread = self.depthwise(x, depthwise, None, window);
        Ok(self.convolve(&spread, pointwise, Some(bias), Window::PLAIN))
    }

    fn convolution(
        &mut self,
        x: &Edge,
        filter: &Tensor,
        bias: Option<&[f32]>,
        window: Window,
        groups: usize,
    ) -> Edge {
        let kernel = [filter.shape[2] as i64, filter.shape[3] as i64];
        let filter = self.floats(&filter.shape, &filter.values);
        let bias = bias.map(|bias| self.floats(&[bias.len()], bias));
        let mut attributes = sliding(kernel, window);
        attributes.push(int("group", groups as i64));
        let inputs: Vec<_> = [x, &filter].into_iter().chain(&bias).collect();
        self.node("Conv", &inputs, attributes)
    }

    /// `MaxPool` or `AveragePool` over squares of `side`.
    pub(super) fn pool(&mut self, operator: &str, x: &Edge, side: i64, window: Window) -> Edge {
        self.node(operator, &[x], sliding([side, side], window))
    }

    /// A layer in which every output sees every input; the weights' axes are inputs, outputs.
    pub(super) fn dense(&mut self, x: &Edge, weights: &Tensor, bias: &[f32]) -> Edge {
        let weights = weights.permuted([1, 0]);
        let filter = self.floats(&weights.shape, &weights.values);
        let bias = self.floats(&[bias.len()], bias);
        let flat = self.node("Flatten", &[x], vec![int("axis", 1)]);
        self.node("Gemm", &[&flat, &filter, &bias], vec![int("transB", 1)])
    }

    fn floats(&mut self, shape: &[usize], values: &[f32]) -> Edge {
        self.constant(
            shape,
            onnx::FLOAT,
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        )
    }

    pub(super) fn integers(&mut self, values: &[i64]) -> Edge {
        self.constant(
            &[values.len()],
            onnx::INT64,
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        )
    }

    fn constant(&mut self, shape: &[usize], element: i32, bytes: Vec<u8>) -> Edge {
        let name = format!("constant_{}", self.constants.len());
        let shape = shape.iter().map(|&side| side as i64).collect();
        self.constants.push(Constant {
            shape,
            element,
            name: name.clone(),
            bytes,
        });
        Edge(name)
    }

    /// The file, with `outputs` under their names and shapes.
    pub(super) fn finish(mut self, outputs: &[(&Edge, &str, &[Length])]) -> Vec<u8> {
        let mut values = Vec::new();
        for (edge, name, shape) in outputs {
            self.nodes.push(Node {
                inputs: vec![edge.0.clone()],
                outputs: vec![(*name).into()],
                name: format!("{name}_out"),
                operator: "Identity".into(),
                attributes: Vec::new(),
            });
            values.push(value(name, shape));
        }
        let [height, width] = self.input;
        let graph = onnx::Graph {
            nodes: self.nodes,
            name: self.name.into(),
            constants: self.constants,
            inputs: vec![value(
                "input",
                &[Length::Fixed(1), Length::Fixed(3), height, width],
            )],
            outputs: values,
        };
        let opset = onnx::Opset {
            domain: String::new(),
            version: onnx::OPSET,
        };
        let producer = env!("CARGO_PKG_NAME").into();
        let model = onnx::Model {
            ir_version: onnx::IR_VERSION,
            producer,
            graph: Some(graph),
            opsets: vec![opset],
        };
        model.encode_to_vec()
    }
}

fn value(name: &str, shape: &[Length]) -> onnx::Value {
    let sides = shape
        .iter()
        .map(|length| onnx::Side {
            length: Some(length.clone()),
        })
        .collect();
    let tensor = onnx::TensorKind {
        element: onnx::FLOAT,
        shape: Some(onnx::Shape { sides }),
    };
    onnx::Value {
        name: name.into(),
        kind: Some(onnx::Kind {
            tensor: Some(tensor),
        }),
    }
}

fn sliding(kernel: [i64; 2], window: Window) -> Vec<Attribute> {
    vec![
        ints("kernel_shape", &kernel),
        ints("strides", &[window.stride; 2]),
        ints("pads", &window.border),
    ]
}

pub(super) fn int(name: &str, value: i64) -> Attribute {
    Attribute {
        name: name.into(),
        int: Some(value),
        kind: attribute::INT,
        ..Attribute::default()
    }
}

pub(super) fn ints(name: &str, values: &[i64]) -> Attribute {
    Attribute {
        name: name.into(),
        ints: values.to_vec(),
        kind: attribute::INTS,
        ..Attribute::default()
    }
}

pub(super) fn float(name: &str, value: f32) -> Attribute {
    Attribute {
        name: name.into(),
        float: Some(value),
        kind: attribute::FLOAT,
        ..Attribute::default()
    }
}

pub(super) fn text(name: &str, value: &str) -> Attribute {
    Attribute {
        name: name.into(),
        string: Some(value.into()),
        kind: attribute::STRING,
        ..Attribute::default()
    }
}
