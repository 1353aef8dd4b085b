//! A report as one page, which needs nothing besides: no network, no script. Everything that stands on it is escaped.

use std::fmt::Display;

use crate::escape;

/// Light or dark as the reader's system is; tables wider than the screen are moved for themselves.
const STYLE: &str = "\
:root { --ink: #1c1d21; --paper: #ffffff; --rule: #c9ccd3; --soft: #5c616b; --bad: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e7ea; --paper: #16171a; --rule: #43464d; --soft: #a3a8b3; --bad: #ff8a80; }
}
body { color: var(--ink); background: var(--paper); font: 16px/1.45 system-ui, sans-serif;
  max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
p { color: var(--soft); margin: .2rem 0; } code { overflow-wrap: anywhere; color: var(--ink); }
.prose { max-width: 44rem; margin: .8rem 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { border-bottom: 1px solid var(--rule); padding: .25rem .7rem .25rem 0; text-align: left; vertical-align: top; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
svg { max-width: 100%; height: auto; display: block; margin: .3rem 0 .6rem; }
svg text { fill: var(--ink); stroke: var(--paper); stroke-width: 3px; paint-order: stroke; }
svg line, svg polyline { stroke: var(--rule); }
.bad { color: var(--bad); font-weight: 600; }
";

/// What stands in a place of a table.
#[derive(Clone)]
pub enum Cell {
    Word(String),
    /// On the right, as numbers are compared.
    Number(String),
    /// What somebody has to look at.
    Bad(String),
}

impl Cell {
    fn class(&self) -> &'static str {
        match self {
            Cell::Word(_) => "",
            Cell::Number(_) => " class=\"number\"",
            Cell::Bad(_) => " class=\"bad\"",
        }
    }

    fn text(&self) -> &str {
        match self {
            Cell::Word(text) | Cell::Number(text) | Cell::Bad(text) => text,
        }
    }
}

pub struct Page {
    title: String,
    body: String,
}

impl Page {
    /// With the command that makes it again.
    pub fn new(title: &str, command: &str) -> Page {
        let mut page = Page { title: escaped(title), body: String::new() };
        page.body += &format!("<h1>honeyguide {}</h1>\n", page.title);
        page.body += &format!("<p>made by <code>{}</code></p>\n", escaped(command));
        page.fact("version", env!("CARGO_PKG_VERSION"));
        page
    }

    pub fn fact(&mut self, name: &str, value: impl Display) {
        self.body += &format!("<p>{}: {}</p>\n", escaped(name), escaped(value));
    }

    pub fn paragraph(&mut self, text: &str) {
        self.body += &format!("<p class=\"prose\">{}</p>\n", escaped(text));
    }

    pub fn heading(&mut self, text: impl Display) {
        self.body += &format!("<h2>{}</h2>\n", escaped(text));
    }

    /// A drawing, which is no text that somebody else has written.
    pub fn drawing(&mut self, svg: &str) {
        self.body += svg;
    }

    /// A column is on the right where its first place has a number.
    pub fn table(&mut self, heads: &[&str], lines: impl Iterator<Item = impl AsRef<[Cell]>>) {
        let lines: Vec<_> = lines.collect();
        self.body += "<div class=\"wide\"><table>\n<tr>";
        for (column, head) in heads.iter().enumerate() {
            let class = match lines.first().and_then(|line| line.as_ref().get(column)) {
                Some(number @ Cell::Number(_)) => number.class(),
                _ => "",
            };
            self.body += &format!("<th{class}>{}</th>", escaped(head));
        }
        self.body += "</tr>\n";
        for line in &lines {
            self.body += "<tr>";
            line.as_ref()
                .iter()
                .for_each(|cell| self.body += &format!("<td{}>{}</td>", cell.class(), escaped(cell.text())));
            self.body += "</tr>\n";
        }
        self.body += "</table></div>\n";
    }

    pub fn html(&self) -> String {
        let Page { title, body } = self;
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>honeyguide {title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
        )
    }
}

/// A text as it stands on a page, whatever is in it.
fn escaped(text: impl Display) -> String {
    let text = escape::text(&text.to_string());
    let spell = |c: char| match c {
        '&' => "&amp;".to_string(),
        '<' => "&lt;".to_string(),
        '>' => "&gt;".to_string(),
        '"' => "&quot;".to_string(),
        '\'' => "&#39;".to_string(),
        c => c.to_string(),
    };
    text.chars().map(spell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_stands_on_a_page_is_text() {
        let hostile = "</td><script>alert('x')</script>\"&\u{202e}";
        let mut page = Page::new(hostile, hostile);
        page.fact(hostile, hostile);
        page.heading(hostile);
        page.paragraph(hostile);
        let word = |cell: fn(String) -> Cell| cell(hostile.into());
        page.table(&[hostile, hostile, hostile], [[word(Cell::Word), word(Cell::Number), word(Cell::Bad)]].into_iter());
        let html = page.html();
        assert!(!html.contains("<script") && !html.contains('\u{202e}'), "{html}");
        assert_eq!(html.matches("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&amp;").count(), 13, "{html}");
        assert_eq!((html.matches("</td>").count(), html.matches("</th>").count()), (3, 3));
        assert_eq!(html.matches(" class=\"number\"").count(), 2, "the head of a column of numbers stands as they do");
    }
}
