// A table of a page: with a caption, and with heads that screen readers understand.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ferry::html {

struct Column {
  std::string_view head;
  bool number = false;  // to the right, in digits of one width
};

class Table {
 public:
  Table(std::string_view caption, std::vector<Column> columns);

  // Plain text, one for each column; the first names the row.
  void row(const std::vector<std::string>& cells);
  // Below the table.
  void note(std::string_view plain_text);

  std::string html() const;

 private:
  std::string caption_, rows_, note_;
  std::vector<Column> columns_;
};

// Says of a list that is shown as far as `shown`: "… and 5 more vCPUs". Empty if it is all of it.
std::string and_more(size_t all, size_t shown, std::string_view what);

}  // namespace ferry::html
