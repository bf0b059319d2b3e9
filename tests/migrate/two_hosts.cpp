// Two simulated hosts in files, and ferry-sim on them.
#include "tests/migrate/two_hosts.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include <fmt/format.h>

#include "network/tcp.h"

namespace ferry::test {
namespace {

using namespace std::chrono_literals;

std::string text_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

}  // namespace

uint16_t free_port() {
  const std::vector<Descriptor> probe = listen_tcp({"127.0.0.1", 0});
  sockaddr_in address = {};
  socklen_t size = sizeof address;
  getsockname(probe.front().get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

Running::Running(std::vector<std::string> command, std::map<std::string, std::string> environment,
                 std::string output)
    : output_(std::move(output)) {
  std::vector<char*> argv;
  for (std::string& word : command) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_ = fork();
  if (pid_ != 0) return;
  setpgid(0, 0);
  const int out = open(output_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  dup2(out, STDOUT_FILENO);
  dup2(out, STDERR_FILENO);
  dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
  for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
  execvp(argv[0], argv.data());
  _exit(127);
}

Running& Running::operator=(Running&& other) noexcept {
  end();
  pid_ = std::exchange(other.pid_, -1);
  status_ = other.status_;
  output_ = std::move(other.output_);
  return *this;
}

void Running::end() {
  if (pid_ <= 0) return;
  kill(-pid_, SIGKILL);
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void Running::send(int signal_number) const {
  if (pid_ > 0) kill(pid_, signal_number);
}

int Running::wait(double seconds) {
  if (pid_ <= 0) return status_;
  const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  for (int status = 0; std::chrono::steady_clock::now() < until; std::this_thread::sleep_for(1ms)) {
    if (waitpid(pid_, &status, WNOHANG) != pid_) continue;
    pid_ = -1;
    status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return status_;
  }
  return -1;
}

std::string Running::said() const {
  return text_of(output_);
}

TwoHosts::TwoHosts()
    : files_a(certificates.issue("a", "DNS:a.example")),
      files_b(certificates.issue("b", "DNS:localhost")),
      port_(free_port()) {
}

std::string TwoHosts::address() const {
  return fmt::format("localhost:{}", port_);
}

std::map<std::string, std::string> TwoHosts::environment(const std::string& host) const {
  const TlsFiles& files = host == "a" ? files_a : files_b;
  std::map<std::string, std::string> all = {{"FERRY_SIM_HOST", path(host + ".host")},
                                            {"FERRY_CONF", "/dev/null"},
                                            {"FERRY_TLS_CA", files.authority},
                                            {"FERRY_TLS_CERT", files.certificate},
                                            {"FERRY_TLS_KEY", files.key}};
  for (const auto& [name, value] : extra_environment) all[name] = value;
  return all;
}

Running TwoHosts::start(const std::string& host, const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {FERRY_SIM};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return {command, environment(host), path(fmt::format("said.{}", ++run_))};
}

TwoHosts::Result TwoHosts::run(const std::string& host, const std::vector<std::string>& arguments) {
  Running program = start(host, arguments);
  const int status = program.wait();
  return {status, program.said()};
}

Running TwoHosts::receiver(const std::vector<std::string>& more) {
  std::vector<std::string> arguments = {"receive", "--listen", address()};
  arguments.insert(arguments.end(), more.begin(), more.end());
  Running receiver = start("b", arguments);
  const auto until = std::chrono::steady_clock::now() + 60s;
  while (std::chrono::steady_clock::now() < until) {
    try {
      connect_tcp({"127.0.0.1", port_});
      return receiver;
    } catch (const std::exception&) {
      std::this_thread::sleep_for(2ms);
    }
  }
  ADD_FAILURE() << "the receiver does not listen: " << receiver.said();
  return receiver;
}

void TwoHosts::fresh() {
  std::error_code ignored;
  for (const char* name :
       {"a.host", "b.host", "a.host.jobs", "b.host.jobs", "a.host.run", "b.host.run"})
    std::filesystem::remove_all(path(name), ignored);
  ASSERT_EQ(run("a", {"create", "web1", "--memory", "8", "--host-memory", "64"}).status, 0);
  ASSERT_EQ(run("b", {"create", "other", "--memory", "2", "--host-memory", "64"}).status, 0);
  const Result ran = run("a", {"run", "web1", "--steps", "40"});
  ASSERT_EQ(ran.status, 0) << ran.said;
  checksum_ = ran.said.substr(ran.said.find("checksum "));
}

bool TwoHosts::runs_on(const std::string& host) {
  const Result list = run(host, {"list"});
  std::istringstream lines(list.said);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("web1 ") && line.ends_with("running")) return true;
  return false;
}

void TwoHosts::expect_one_runs(const std::string& when) {
  const bool here = runs_on("a"), there = runs_on("b");
  ASSERT_NE(here, there) << when << ": it runs on " << (here ? "both hosts" : "neither host")
                         << "\n"
                         << run("a", {"list"}).said << run("b", {"list"}).said
                         << run("a", {"job", "list", "--all"}).said
                         << run("b", {"job", "list", "--all"}).said;
  const std::string host = here ? "a" : "b";
  const Result still = run(host, {"run", "web1", "--steps", "0"});
  EXPECT_NE(still.said.find(checksum_), std::string::npos) << when << ": " << still.said;
  const Result on = run(host, {"run", "web1", "--steps", "20"});
  EXPECT_EQ(on.status, 0) << when << ": " << on.said;
}

std::vector<std::string> TwoHosts::open_jobs(const std::string& host) {
  std::istringstream lines(run(host, {"job", "list"}).said);
  std::vector<std::string> jobs;
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) jobs.push_back(line.substr(0, line.find(' ')));
  return jobs;
}

}  // namespace ferry::test
