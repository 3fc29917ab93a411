//! Quantiles of Student's t, for any positive number of degrees of freedom.

use std::f64::consts::FRAC_PI_2;

/// Pieces of Simpson's rule: the error is far below what a quantile is rounded to.
const PIECES: u32 = 400;

/// The `t` that |T| exceeds with probability `alpha`.
pub(super) fn two_sided(alpha: f64, degrees: f64) -> f64 {
    // With t = tan(angle) * sqrt(degrees), the density becomes a power of the cosine, and has a finite range.
    let area = |until: f64| integral(|angle| angle.cos().powf(degrees - 1.0), until);
    let wanted = (1.0 - alpha) * area(FRAC_PI_2);
    let (mut low, mut high) = (0.0, FRAC_PI_2);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if area(middle) < wanted { low = middle } else { high = middle }
    }
    low.tan() * degrees.sqrt()
}

fn integral(density: impl Fn(f64) -> f64, until: f64) -> f64 {
    let step = until / f64::from(PIECES);
    let weight = |at: u32| match at {
        0 | PIECES => 1.0,
        odd if odd % 2 == 1 => 4.0,
        _ => 2.0,
    };
    // The cosine at the right angle is no exact 0, and a negative one has no power.
    let values = (0..=PIECES).map(|at| weight(at) * density((step * f64::from(at)).min(FRAC_PI_2)));
    values.filter(|value| value.is_finite()).sum::<f64>() * step / 3.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (alpha, degrees, table) in [
            (0.05, 4.0, 2.776),
            (0.05, 8.0, 2.306),
            (0.01, 8.0, 3.355),
            (0.01, 30.0, 2.750),
            (0.1, 2.0, 2.920),
            (0.05, 1e4, 1.960),
        ] {
            let told = two_sided(alpha, degrees);
            assert!((told / table - 1.0).abs() < 1e-3, "{alpha}, {degrees}: {told} for {table}");
        }
    }
}
