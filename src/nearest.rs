//! The known word that somebody may have meant.

/// Returns the known word nearest to this one, if it is near enough for a slip of the pen.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let word = word.to_lowercase();
    let distance = |known: &&&str| strsim::damerau_levenshtein(&word, known);
    let near = known.iter().min_by_key(distance)?;
    (distance(&near) <= near.len() / 3).then_some(near)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_near_and_another_word_is_not() {
        let known = ["start_date", "token", "pages"];
        for (word, expected) in
            [("start_dat", "start_date"), ("startdate", "start_date"), ("Pages", "pages"), ("tokne", "token")]
        {
            assert_eq!(nearest(word, &known), Some(expected));
        }
        assert_eq!(nearest("foo", &known), None);
        assert_eq!(nearest("foo", &[]), None);
    }
}
