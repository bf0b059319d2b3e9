// A table of a page.
#include "html/table.h"

#include <fmt/format.h>

#include "html/escape.h"

namespace ferry::html {

Table::Table(std::string_view caption, std::vector<Column> columns)
    : caption_(escaped(caption)), columns_(std::move(columns)) {
}

void Table::row(const std::vector<std::string>& cells) {
  rows_ += "<tr>";
  for (size_t i = 0; i < columns_.size(); ++i) {
    const char* kind = columns_[i].number ? " class=\"n\"" : "";
    const std::string text = escaped(cells.at(i));
    rows_ += i == 0 ? fmt::format("<th scope=\"row\"{}>{}</th>", kind, text)
                    : fmt::format("<td{}>{}</td>", kind, text);
  }
  rows_ += "</tr>\n";
}

void Table::note(std::string_view plain_text) {
  note_ = escaped(plain_text);
}

std::string Table::html() const {
  // Wide tables move in a frame of their own, which the keyboard reaches too.
  std::string html = fmt::format(
      "<div>\n<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-label=\"{}\">\n<table>\n"
      "<caption>{}</caption>\n<thead><tr>",
      caption_, caption_);
  for (const Column& column : columns_)
    html += fmt::format("<th scope=\"col\"{}>{}</th>", column.number ? " class=\"n\"" : "",
                        escaped(column.head));
  html += fmt::format("</tr></thead>\n<tbody>\n{}</tbody>\n</table>\n</div>\n", rows_);
  if (!note_.empty()) html += fmt::format("<p class=\"note\">{}</p>\n", note_);
  return html + "</div>\n";
}

std::string and_more(size_t all, size_t shown, std::string_view what) {
  return all <= shown ? std::string() : fmt::format("… and {} more {}", grouped(all - shown), what);
}

}  // namespace ferry::html
