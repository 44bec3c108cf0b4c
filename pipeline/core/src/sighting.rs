//! Sightings: which appearances of a person of interest are one alert.
