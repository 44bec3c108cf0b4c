//! The roles of the pipeline: collector, image analysis, face recognition, section, alerts, momentum, control panel.
