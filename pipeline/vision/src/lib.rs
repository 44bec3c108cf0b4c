//! Faces: detection, landmarks, age and gender, embedding, gallery. The only code that knows rustface and ONNX Runtime.
