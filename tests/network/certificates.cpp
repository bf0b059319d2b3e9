// Certificates for tests.
#include "tests/network/certificates.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>

#include <fmt/format.h>

namespace ferry {
namespace {

void run(const std::string& command) {
  EXPECT_EQ(std::system((command + " 2>/dev/null").c_str()), 0) << command;
}

}  // namespace

// As docs/migration.md tells operators to do it.
Certificates::Certificates() {
  run(
      fmt::format("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 1 "
                  "-subj '/CN=ferry authority' -keyout {} -out {}",
                  path("ca.key"), path("ca.pem")));
}

TlsFiles Certificates::issue(const std::string& host, const std::string& names, int days) const {
  const TlsFiles files{path("ca.pem"), path(host + ".pem"), path(host + ".key")};
  run(
      fmt::format("openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj /CN={} "
                  "-addext subjectAltName={} -keyout {} -out {}",
                  host, names, files.key, path(host + ".csr")));
  run(
      fmt::format("openssl x509 -req -in {} -CA {} -CAkey {} -days {} -copy_extensions copy "
                  "-out {}",
                  path(host + ".csr"), files.authority, path("ca.key"), days, files.certificate));
  chmod(files.key.c_str(), 0600);
  return files;
}

std::string Certificates::revoke(const std::vector<TlsFiles>& hosts) const {
  std::ofstream(path("ca.conf")) << fmt::format(
      "[ca]\ndefault_ca = here\n[here]\ndatabase = {}\ndefault_md = sha256\n"
      "default_crl_days = 1\n",
      path("revoked"));
  std::ofstream(path("revoked"));
  const std::string ca = fmt::format("openssl ca -config {} -cert {} -keyfile {} ", path("ca.conf"),
                                     path("ca.pem"), path("ca.key"));
  for (const TlsFiles& host : hosts) run(ca + "-revoke " + host.certificate);
  run(ca + "-gencrl -out " + path("crl.pem"));
  return path("crl.pem");
}

}  // namespace ferry
