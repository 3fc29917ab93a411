//! The name that was probably meant.

/// The one of `known` that is nearest to `word`, if a few letters make the difference.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (word.chars().count() / 3).max(1);
    ranked(word, known).into_iter().next().filter(|(distance, _)| *distance <= allowed).map(|(_, name)| name)
}

/// All of `known`, from the nearest to the furthest; with how many slips of the pen lie between. Equal ones stay in their order.
pub(crate) fn ranked<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<(usize, &'a str)> {
    let mut ranked: Vec<(usize, &str)> = known.into_iter().map(|name| (distance(word, name), name)).collect();
    ranked.sort_by_key(|(distance, _)| *distance);
    ranked
}

/// Letters to put in, take out, replace, or swap with their neighbour.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=other.len()).collect()];
    for at in 1..=one.len() {
        let mut row = vec![at];
        for to in 1..=other.len() {
            let differs = usize::from(one[at - 1] != other[to - 1]);
            let mut least = (rows[at - 1][to - 1] + differs).min(rows[at - 1][to] + 1).min(row[to - 1] + 1);
            if at > 1 && to > 1 && one[at - 1] == other[to - 2] && one[at - 2] == other[to - 1] {
                least = least.min(rows[at - 2][to - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}

/// The parser's words for a name that it does not know, with the one that was probably meant.
pub(crate) fn with_guess(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let word = quoted.next().unwrap_or_default();
    match (message.starts_with("unknown "), nearest(word, quoted)) {
        (true, Some(meant)) => message.replacen(", expected", &format!(", did you mean `{meant}`? Expected"), 1),
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_slips() {
        let pairs = [("kitten", "sitting", 3), ("", "abc", 3), ("abc", "abc", 0), ("ramp", "rmap", 1)];
        assert_eq!(pairs.map(|(one, other, _)| distance(one, other)), pairs.map(|(_, _, slips)| slips));
    }

    #[test]
    fn slip_of_the_pen_is_understood_and_another_word_is_not() {
        let known = ["constant", "poisson", "ramp", "steps", "spike", "replay"];
        let table = [
            ("rmap", Some("ramp")),
            ("step", Some("steps")),
            ("poison", Some("poisson")),
            ("konstant", Some("constant")),
            ("burst", None),
            ("", None),
        ];
        for (word, meant) in table {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
    }

    #[test]
    fn guess_stands_before_what_is_known() {
        let told = with_guess("unknown field `rat`, expected one of `profile`, `rate`, `duration`");
        assert_eq!(told, "unknown field `rat`, did you mean `rate`? Expected one of `profile`, `rate`, `duration`");
        for unchanged in ["unknown field `speed`, expected `rate`", "missing field `rate`", "invalid type: string \"a\""] {
            assert_eq!(with_guess(unchanged), unchanged);
        }
    }
}
