//! Text that becomes HTML, and nothing else.

/// What is written into a page: what people or clusters said never becomes markup.
pub(in crate::report) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            sign => out.push(sign),
        }
    }
    out
}

/// One behind the other.
pub(super) fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().concat()
}

/// JSON inside a script element: no text in it can end the element.
pub(super) fn embedded(value: &impl serde::Serialize) -> String {
    let json = serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned());
    json.replace('<', "\\u003c")
}

/// A table whose cells are HTML already. A column that ends in `#` holds figures.
pub(in crate::report) struct Table {
    columns: Vec<&'static str>,
    rows: String,
}

impl Table {
    pub(in crate::report) fn new(columns: &[&'static str]) -> Self {
        Self { columns: columns.to_vec(), rows: String::new() }
    }

    pub(in crate::report) fn row(&mut self, cells: &[String]) {
        self.rows.push_str("<tr>");
        for (cell, column) in cells.iter().zip(&self.columns) {
            let class = class(column);
            self.rows.extend(["<td", class, ">", cell, "</td>"]);
        }
        self.rows.push_str("</tr>\n");
    }

    pub(in crate::report) fn finish(&self) -> String {
        let head = |column: &&str| format!("<th scope=\"col\"{}>{}</th>", class(column), escaped(column.trim_end_matches('#')));
        let head = joined(self.columns.iter().map(head));
        format!("<div class=\"wide\"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{}</tbody></table></div>\n", self.rows)
    }
}

fn class(column: &str) -> &'static str {
    if column.ends_with('#') { " class=\"n\"" } else { "" }
}
