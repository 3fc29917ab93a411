//! Labels and their values. Each set is closed, so that no client can make the number of series grow.

/// A combination of label values, numbered from 0.
pub trait Labels: Copy {
    const COUNT: usize;
    fn index(self) -> usize;
    /// `name="value"` pairs of the combination with that number.
    fn text(index: usize) -> String;
}

impl<A: Labels, B: Labels> Labels for (A, B) {
    const COUNT: usize = A::COUNT * B::COUNT;

    fn index(self) -> usize {
        self.0.index() * B::COUNT + self.1.index()
    }

    fn text(index: usize) -> String {
        format!("{},{}", A::text(index / B::COUNT), B::text(index % B::COUNT))
    }
}

macro_rules! labels {
    ($(#[doc = $doc:literal] $type:ident $name:literal { $($variant:ident $value:literal,)* })*) => {$(
        #[doc = $doc]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $type { $($variant,)* }

        impl $type {
            const VALUES: &[&str] = &[$($value,)*];
        }

        impl Labels for $type {
            const COUNT: usize = Self::VALUES.len();

            fn index(self) -> usize {
                self as usize
            }

            fn text(index: usize) -> String {
                format!("{}=\"{}\"", $name, Self::VALUES[index])
            }
        }
    )*};
}

labels! {
    /// What became of an order that was to be placed.
    Decision "outcome" {
        New "new",
        Replayed "replayed",
        Conflict "conflict",
        Refused "refused",
        Indeterminate "indeterminate",
    }
    /// What a request ended with.
    Ended "outcome" {
        Ok "ok",
        Error "error",
    }
    /// A command or query.
    RequestName "request" {
        PlaceOrder "PlaceOrder",
        GetOrder "GetOrder",
        ListOrders "ListOrders",
        GetCustomer "GetCustomer",
    }
    /// What the node depends on.
    Dependency "dependency" {
        Nats "nats",
        Redis "redis",
    }
    /// A path as the routes know it; ids are no part of it.
    Route "route" {
        Orders "/api/orders",
        Order "/api/orders/{orderId}",
        Customer "/api/customers/{customerId}",
        Events "/api/events",
        Health "/health",
        Live "/health/live",
        Ready "/health/ready",
        Metrics "/metrics",
        OpenApi "/openapi.json",
        Swagger "/swagger",
        SwaggerFile "/swagger/{file}",
        Other "other",
    }
    /// A request's method.
    Method "method" {
        Get "GET",
        Head "HEAD",
        Post "POST",
        Other "other",
    }
}

impl From<&hyper::Method> for Method {
    fn from(method: &hyper::Method) -> Self {
        match *method {
            hyper::Method::GET => Self::Get,
            hyper::Method::HEAD => Self::Head,
            hyper::Method::POST => Self::Post,
            _ => Self::Other,
        }
    }
}

/// The status of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(pub u16);

/// The statuses that have a series of their own.
const STATUSES: [u16; 25] =
    [200, 201, 202, 204, 206, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 406, 408, 409, 412, 413, 414, 415, 422, 429];
const SERVER: [u16; 6] = [431, 500, 501, 502, 503, 504];

impl Labels for Status {
    const COUNT: usize = STATUSES.len() + SERVER.len() + 1;

    fn index(self) -> usize {
        let mut known = STATUSES.iter().chain(&SERVER);
        known.position(|status| *status == self.0).unwrap_or(Self::COUNT - 1)
    }

    fn text(index: usize) -> String {
        match STATUSES.iter().chain(&SERVER).nth(index) {
            Some(status) => format!("status=\"{status}\""),
            None => "status=\"other\"".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn combinations_are_numbered_without_gap_or_repeat() {
        type All = (Route, (Method, Status));
        let texts: std::collections::BTreeSet<_> = (0..All::COUNT).map(All::text).collect();
        assert_eq!(texts.len(), All::COUNT);
        let one = (Route::Order, (Method::Get, Status(404)));
        assert_eq!(All::text(one.index()), r#"route="/api/orders/{orderId}",method="GET",status="404""#);
        assert_eq!(Status::text(Status(299).index()), "status=\"other\"");
    }
}
