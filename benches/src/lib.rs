//! Criterion benches; the code is under `benches/`.
