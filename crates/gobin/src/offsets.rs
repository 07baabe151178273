//! Where the fields lie that the probes read: in bytes from the beginning of their structs.
//!
//! Which fields, what an answer looks like, and why there may be none. The values come from the executable's own debug
//! information ([`crate::dwarf`]), else from measured releases ([`crate::offset_table`]).

use std::fmt;

/// A way to a field: (type, member) steps whose offsets add up.
pub(crate) type Path = &'static [(&'static str, &'static str)];

/// A field: its name in the table, and the ways to it, of which the first that exists counts.
pub(crate) struct Field {
    pub column: &'static str,
    pub paths: &'static [Path],
}

/// A field's value: required, or absent in some releases or programs.
trait Value: Sized {
    fn from(value: Option<u32>, column: &'static str) -> Result<Self, &'static str>;
    fn get(self) -> Option<u32>;
}

impl Value for u32 {
    fn from(value: Option<u32>, column: &'static str) -> Result<Self, &'static str> {
        value.ok_or(column)
    }
    fn get(self) -> Option<u32> {
        Some(self)
    }
}

impl Value for Option<u32> {
    fn from(value: Option<u32>, _: &'static str) -> Result<Self, &'static str> {
        Ok(value)
    }
    fn get(self) -> Option<u32> {
        self
    }
}

macro_rules! offsets {
    ($($name:ident: $kind:ty = $column:literal, $($($ty:literal $member:literal)+),+;)+) => {
        /// Field offsets in bytes, the same on amd64 and arm64. `None`: the release, or the program, has no such field.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each is named after its struct and field")]
        pub struct Offsets {
            /// Where the offsets come from.
            pub source: OffsetSource,
            $(pub $name: $kind,)+
        }

        pub(crate) const FIELDS: &[Field] = &[
            $(Field { column: $column, paths: &[$(&[$(($ty, $member)),+]),+] },)+
        ];

        impl Offsets {
            /// Collects the fields; `Err` names the first required one that is missing.
            pub(crate) fn collect(
                source: OffsetSource,
                mut value: impl FnMut(&'static Field) -> Option<u32>,
            ) -> Result<Self, &'static str> {
                let mut fields = FIELDS.iter();
                $(let $name = fields.next().and_then(&mut value);)+
                Ok(Offsets { source, $($name: <$kind as Value>::from($name, $column)?,)+ })
            }

            /// Every field's name, such as `g.goid`, and its offset.
            pub fn named(&self) -> Vec<(&'static str, Option<u32>)> {
                vec![$(($column, Value::get(self.$name))),+]
            }
        }
    };
}

offsets! {
    g_stack_lo: u32 = "g.stack.lo", "runtime.g" "stack" "runtime.stack" "lo";
    g_stack_hi: u32 = "g.stack.hi", "runtime.g" "stack" "runtime.stack" "hi";
    g_m: u32 = "g.m", "runtime.g" "m";
    g_sched_sp: u32 = "g.sched.sp", "runtime.g" "sched" "runtime.gobuf" "sp";
    g_sched_pc: u32 = "g.sched.pc", "runtime.g" "sched" "runtime.gobuf" "pc";
    g_sched_bp: Option<u32> = "g.sched.bp", "runtime.g" "sched" "runtime.gobuf" "bp";
    g_syscallsp: Option<u32> = "g.syscallsp", "runtime.g" "syscallsp";
    g_syscallpc: Option<u32> = "g.syscallpc", "runtime.g" "syscallpc";
    g_atomicstatus: u32 = "g.atomicstatus", "runtime.g" "atomicstatus";
    g_goid: u32 = "g.goid", "runtime.g" "goid";
    g_waitsince: Option<u32> = "g.waitsince", "runtime.g" "waitsince";
    g_waitreason: u32 = "g.waitreason", "runtime.g" "waitreason";
    g_parent_goid: Option<u32> = "g.parentGoid", "runtime.g" "parentGoid";
    g_gopc: u32 = "g.gopc", "runtime.g" "gopc";
    g_startpc: u32 = "g.startpc", "runtime.g" "startpc";
    g_labels: Option<u32> = "g.labels", "runtime.g" "labels";
    m_g0: u32 = "m.g0", "runtime.m" "g0";
    m_procid: u32 = "m.procid", "runtime.m" "procid";
    m_curg: u32 = "m.curg", "runtime.m" "curg";
    m_p: u32 = "m.p", "runtime.m" "p";
    m_id: Option<u32> = "m.id", "runtime.m" "id";
    m_incgo: Option<u32> = "m.incgo", "runtime.m" "incgo";
    p_id: u32 = "p.id", "runtime.p" "id";
    p_status: u32 = "p.status", "runtime.p" "status";
    moduledata_text: u32 = "moduledata.text", "runtime.moduledata" "text";
    moduledata_etext: u32 = "moduledata.etext", "runtime.moduledata" "etext";
    moduledata_gofunc: Option<u32> = "moduledata.gofunc", "runtime.moduledata" "gofunc";
    request_method: Option<u32> = "Request.Method", "net/http.Request" "Method";
    request_url: Option<u32> = "Request.URL", "net/http.Request" "URL";
    request_proto: Option<u32> = "Request.Proto", "net/http.Request" "Proto";
    request_header: Option<u32> = "Request.Header", "net/http.Request" "Header";
    request_body: Option<u32> = "Request.Body", "net/http.Request" "Body";
    request_content_length: Option<u32> = "Request.ContentLength", "net/http.Request" "ContentLength";
    request_host: Option<u32> = "Request.Host", "net/http.Request" "Host";
    request_remote_addr: Option<u32> = "Request.RemoteAddr", "net/http.Request" "RemoteAddr";
    request_request_uri: Option<u32> = "Request.RequestURI", "net/http.Request" "RequestURI";
    request_tls: Option<u32> = "Request.TLS", "net/http.Request" "TLS";
    request_pattern: Option<u32> = "Request.Pattern", "net/http.Request" "Pattern";
    request_pat: Option<u32> = "Request.pat", "net/http.Request" "pat";
    request_ctx: Option<u32> = "Request.ctx", "net/http.Request" "ctx";
    pattern_str: Option<u32> = "pattern.str", "net/http.pattern" "str";
    response_conn: Option<u32> = "response.conn", "net/http.response" "conn";
    response_req: Option<u32> = "response.req", "net/http.response" "req";
    response_status: Option<u32> = "response.status", "net/http.response" "status";
    conn_rwc: Option<u32> = "conn.rwc", "net/http.conn" "rwc";
    conn_tls_state: Option<u32> = "conn.tlsState", "net/http.conn" "tlsState";
    tls_conn_conn: Option<u32> = "tls.Conn.conn", "crypto/tls.Conn" "conn";
    h2_response_writer_rws: Option<u32> = "http2responseWriter.rws",
        "net/http.http2responseWriter" "rws", "net/http/internal/http2.responseWriter" "rws";
    h2_state_stream: Option<u32> = "http2responseWriterState.stream",
        "net/http.http2responseWriterState" "stream", "net/http/internal/http2.responseWriterState" "stream";
    h2_state_req: Option<u32> = "http2responseWriterState.req",
        "net/http.http2responseWriterState" "req", "net/http/internal/http2.responseWriterState" "req";
    h2_state_status: Option<u32> = "http2responseWriterState.status",
        "net/http.http2responseWriterState" "status", "net/http/internal/http2.responseWriterState" "status";
    h2_stream_id: Option<u32> = "http2stream.id",
        "net/http.http2stream" "id", "net/http/internal/http2.stream" "id";
    url_host: Option<u32> = "URL.Host", "net/url.URL" "Host";
    url_path: Option<u32> = "URL.Path", "net/url.URL" "Path";
    url_raw_path: Option<u32> = "URL.RawPath", "net/url.URL" "RawPath";
    url_raw_query: Option<u32> = "URL.RawQuery", "net/url.URL" "RawQuery";
    poll_fd_sysfd: Option<u32> = "poll.FD.Sysfd", "internal/poll.FD" "Sysfd";
    poll_fd_is_file: Option<u32> = "poll.FD.isFile", "internal/poll.FD" "isFile";
    net_fd_pfd: Option<u32> = "netFD.pfd", "net.netFD" "pfd";
    net_fd_laddr: Option<u32> = "netFD.laddr", "net.netFD" "laddr";
    net_fd_raddr: Option<u32> = "netFD.raddr", "net.netFD" "raddr";
    os_file_pfd: Option<u32> = "os.file.pfd", "os.file" "pfd";
    os_file_name: Option<u32> = "os.file.name", "os.file" "name";
}

/// Where offsets come from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OffsetSource {
    /// The executable's own debug information.
    Dwarf,
    /// A build of this very release was measured.
    Table {
        /// The release, such as `go1.26.5`.
        release: String,
    },
    /// Two measured releases of the same minor version around this one agree. Where they disagree in an optional
    /// field, that field is `None`.
    Between {
        /// The last one measured before.
        low: String,
        /// The first one measured after.
        high: String,
    },
    /// **Not known to fit**: the nearest measured release, for use only behind a check at run time.
    Nearest {
        /// The release measured.
        release: String,
    },
}

impl fmt::Display for OffsetSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OffsetSource::Dwarf => f.write_str("the executable's debug information"),
            OffsetSource::Table { release } => write!(f, "measured with {release}"),
            OffsetSource::Between { low, high } => write!(f, "{low} and {high}, measured, agree"),
            OffsetSource::Nearest { release } => write!(f, "unverified: those of {release}"),
        }
    }
}

/// Why there are no offsets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoOffsets {
    /// Neither debug information nor a version.
    #[error("no debug information, and the Go version cannot be told")]
    UnknownVersion,
    /// A development version, release candidate or beta.
    #[error("no debug information, and {0} is not a release")]
    PreRelease(String),
    /// A toolchain with experiments, or one that a vendor changed in ways we do not know.
    #[error("no debug information, and {0} is no ordinary toolchain")]
    Modified(String),
    /// Before the first measured release.
    #[error("no debug information, and {version} is older than {oldest}, the first release known")]
    TooOld {
        /// The executable's version.
        version: String,
        /// The first measured release.
        oldest: String,
    },
    /// After the last measured release (of its minor version).
    #[error(
        "no debug information, and {version} is newer than {newest}, the last release known: a newer gostall may know it; or build without -s -w"
    )]
    TooNew {
        /// The executable's version.
        version: String,
        /// The last measured release before it.
        newest: String,
    },
    /// The releases around it differ in a field that is needed.
    #[error(
        "no debug information, and {field} moved between {low} and {high}, on either side of {version}"
    )]
    Moved {
        /// The executable's version.
        version: String,
        /// The field.
        field: String,
        /// The last release measured before.
        low: String,
        /// The first release measured after.
        high: String,
    },
    /// A row of the built-in table does not parse; a test keeps this from happening.
    #[error("the built-in table of offsets is damaged")]
    Damaged,
}
