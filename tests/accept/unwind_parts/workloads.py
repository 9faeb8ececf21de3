# SPDX-License-Identifier: Apache-2.0
"""Programs whose stacks are looked at: most of them as Debian builds them, without frame pointers."""
import os
import signal
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time

from support.tool import ROOT

HERE = os.path.dirname(os.path.abspath(__file__))
QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

LARGE_CXX = """
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <regex>
#include <sstream>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>
template <int N> struct Thing {
    std::map<std::string, std::vector<std::variant<int, std::string, double>>> m;
    std::unordered_map<int, std::function<int(int)>> f;
    void fill(const std::string &s) {
        std::regex r("(a|b)*" + s);
        for (int i = 0; i < N; i++) {
            m[s + std::to_string(i)].push_back(i);
            f[i] = [i, this](int x) { return x + i + (int)m.size(); };
        }
        std::cout << std::regex_replace(s, r, "x") << std::endl;
    }
};
template <int N> void chain(const std::string &s) {
    Thing<N> t;
    t.fill(s);
    if constexpr (N > 1) chain<N - 1>(s + "y");
}
int main(int argc, char **argv) { chain<60>(argv[argc - 1]); }
"""

SQL = """
create table t(a integer primary key, b text, c integer);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 200000)
insert into t select i, hex(i * 7919 % 100003), i % 1009 from n;
select count(*) from (select a.b, sum(b.c) from t a join t b on a.c = b.a where a.b like '%3' group by a.b order by 2 desc);
delete from t; drop table t;
"""

PYTHON = """
import time
def work(n, d):
    if d: return work(n, d - 1)
    return sum(hash((i, str(i))) & 7 for i in range(n))
end = time.monotonic() + float({seconds})
while time.monotonic() < end: work(20000, 12); sorted(map(repr, range(3000)))
"""

PERL = """
my $end = time + {seconds}; my %h;
sub f {{ my ($n) = @_; return $n < 2 ? $n : f($n - 1) + f($n - 2) }}
while (time < $end) {{ f(15); for my $i (1 .. 5000) {{ $h{{$i % 97}} .= chr(65 + $i % 26) if $i =~ /7/; }}
  my @s = sort map {{ $_ * 31 % 1009 }} 1 .. 2000; %h = () if rand() < 0.1 }}
"""

NODE = """
const end = Date.now() + {seconds} * 1000;
function fib(n) {{ return n < 2 ? n : fib(n - 1) + fib(n - 2); }}
while (Date.now() < end) {{
  fib(20); JSON.stringify(JSON.parse(JSON.stringify([...Array(2000).keys()].map(i => ({{ a: i, b: "x" + i }})))));
  "abcabcabc".repeat(300).replace(/a(b+)c/g, (m, b) => b); new Map(Object.entries(process.env));
}}
"""

GO = """
package main
import ("fmt"; "os"; "sort"; "strconv"; "strings"; "sync"; "time")
func deep(n int) int { if n == 0 { return work() }; return deep(n-1) + 1 }
func work() int { m := map[string]int{}; for i := 0; i < 2000; i++ { m[strconv.Itoa(i*7)] += len(strings.Repeat("x", i%50)) }
  k := []string{}; for s := range m { k = append(k, s) }; sort.Strings(k); return len(k) }
func main() { s, _ := strconv.ParseFloat(os.Args[1], 64); end := time.Now().Add(time.Duration(s * 1e9)); var g sync.WaitGroup
  for i := 0; i < 2; i++ { g.Add(1); go func() { defer g.Done(); n := 0; for time.Now().Before(end) { n += deep(20) }; fmt.Println(n) }() }
  g.Wait() }
"""

RUST = """
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};
#[inline(never)] fn deep(n: u32) -> usize { if n == 0 { work() } else { deep(n - 1) + std::env::args().count() } }
#[inline(never)] fn work() -> usize { let mut m = HashMap::new();
  for i in 0..2000u64 { *m.entry(format!("{:x}", i * 7919)).or_insert(0usize) += i as usize; }
  let b: BTreeMap<_, _> = m.iter().collect(); let mut v: Vec<_> = b.keys().map(|s| s.len()).collect();
  v.sort_by(|a, b| b.cmp(a)); v.len() }
fn main() { let s: f64 = std::env::args().nth(1).unwrap().parse().unwrap();
  let t: Vec<_> = (0..2).map(|_| std::thread::spawn(move || { let end = Instant::now() + Duration::from_secs_f64(s);
    let mut n = 0; while Instant::now() < end { n += deep(20); } n })).collect();
  println!("{}", t.into_iter().map(|h| h.join().unwrap()).sum::<usize>()); }
"""


class Running:
    """A program that begins when it is told to, with its children, in a process group of its own."""

    def __init__(self, command, user=None, cwd=None):
        self.process = subprocess.Popen(["sh", "-c", 'read line; exec "$@" </dev/null', "sh", *command], start_new_session=True, user=user,
                                        cwd=cwd, **{**QUIET, "stdin": subprocess.PIPE})

    def run(self):
        """To its end."""
        self.process.communicate(b"go\n")

    def stop(self):
        try:
            os.killpg(self.process.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Workloads:
    """Makes what the programs need in a directory of its own; with close() it is gone."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="hearth-workloads-")
        os.chmod(self.directory, 0o755)
        self.cluster = None

    def close(self):
        if self.cluster:
            self.postgres("pg_ctl", "-D", self.cluster, "-m", "immediate", "stop", check=False)
        shutil.rmtree(self.directory, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(textwrap.dedent(text))
        return self.path(name)

    def repeat(self, seconds, command):
        return Running(["timeout", str(seconds), "sh", "-c", f"while :; do {command}; done"], cwd=self.directory)

    # --- one function a program: starts it for so many seconds -------------------------------------

    def cxx(self, seconds):
        self.write("large.cc", LARGE_CXX)
        return self.repeat(seconds, "g++ -std=c++17 -O2 -c large.cc -o large.o")

    def python3(self, seconds):
        return Running(["/usr/bin/python3", "-c", PYTHON.format(seconds=seconds)])

    def perl(self, seconds):
        return Running(["/usr/bin/perl", "-e", PERL.format(seconds=seconds)])

    def sqlite3(self, seconds):
        self.write("load.sql", SQL)
        return self.repeat(seconds, "sqlite3 :memory: < load.sql")

    def openssl(self, seconds):
        return self.repeat(seconds, "openssl speed -seconds 1 -bytes 4096 sha256 aes-128-cbc rsa2048 ecdsap256 chacha20-poly1305 md5")

    def xz(self, seconds):
        return self.repeat(seconds, "cat /usr/bin/perl /usr/bin/gdb | xz -6 -c")

    def node(self, seconds):
        return Running(["/usr/bin/node", "-e", NODE.format(seconds=seconds)])

    def go(self, seconds):
        if not os.path.exists(self.path("gowork")):
            self.write("gowork.go", GO)
            subprocess.run(["go", "build", "-o", "gowork", "gowork.go"], cwd=self.directory, check=True,
                           env={**os.environ, "GOCACHE": self.path("gocache"), "GO111MODULE": "off"})
        return Running([self.path("gowork"), str(seconds)])

    def rust(self, seconds):
        if not os.path.exists(self.path("rustwork")):
            self.write("rustwork.rs", RUST)
            subprocess.run(["/usr/bin/rustc", "-O", "-o", "rustwork", "rustwork.rs"], cwd=self.directory, check=True)
        return Running([self.path("rustwork"), str(seconds)])

    def postgresql(self, seconds):
        if not self.cluster:
            self.make_cluster()
        return Running([self.pg("pgbench"), "-h", self.directory + "/pg", "-p", "8129", "-c", "4", "-C", "-T", str(seconds), "postgres"],
                       user="postgres", cwd="/")

    def program(self, name, seconds, *flags, arguments=()):
        path = self.path(name)
        if not os.path.exists(path):
            subprocess.run(["gcc", "-O2", "-fomit-frame-pointer", "-pthread", *flags, "-o", path, os.path.join(HERE, name + ".c")],
                           check=True)
        return Running([path, str(seconds), *arguments])

    def recursion(self, seconds, depth=400):
        return self.program("deep", seconds, arguments=[str(depth)])

    def signals(self, seconds):
        return self.program("signals", seconds)

    def strings(self, seconds):
        return self.program("strings", seconds, "-fno-builtin")

    # --- PostgreSQL ------------------------------------------------------------------------------------

    @staticmethod
    def pg(name):
        versions = sorted(os.listdir("/usr/lib/postgresql"))
        return f"/usr/lib/postgresql/{versions[-1]}/bin/{name}"

    def postgres(self, name, *arguments, check=True):
        return subprocess.run([self.pg(name), *arguments], user="postgres", check=check, cwd="/", **QUIET)

    def make_cluster(self):
        directory = self.path("pg")
        os.makedirs(directory)
        shutil.chown(directory, "postgres")
        data = directory + "/data"
        self.postgres("initdb", "-D", data, "-A", "trust", "-N")
        self.postgres("pg_ctl", "-D", data, "-w", "-l", directory + "/log", "-o",
                      f"-c listen_addresses='' -p 8129 -c unix_socket_directories={directory} -c fsync=off", "start")
        self.cluster = data
        self.postgres("pgbench", "-h", directory, "-p", "8129", "-i", "-s", "3", "postgres")


# What runs, and the names of the processes whose stacks count.
PROGRAMS = [
    ("gcc compiling C++", "cxx", ("cc1plus", "g++", "as", "collect2", "ld")),
    ("python3, pure loop", "python3", ("python3",)),
    ("perl, pure loop", "perl", ("perl",)),
    ("sqlite3", "sqlite3", ("sqlite3",)),
    ("openssl speed", "openssl", ("openssl",)),
    ("xz", "xz", ("xz",)),
    ("node", "node", ("node",)),
    ("PostgreSQL under pgbench", "postgresql", ("postgres",)),
    ("a Go program", "go", ("gowork",)),
    ("a Rust program", "rust", ("rustwork",)),
    ("glibc string code", "strings", ("strings",)),
    ("recursion 400 deep", "recursion", ("deep",)),
    ("a life in signal handlers", "signals", ("signals",)),
]
