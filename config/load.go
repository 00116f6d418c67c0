package config

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"
)

// Load reads a file, and the environment over it; "" reads the environment alone. A file that cannot be read is an
// error. Keys that are not known and values of the wrong form are kept for the binary's own For, so that all that
// is wrong is said at once.
func Load(path string) (*Config, error) {
	v := viper.New()
	for key, value := range defaults {
		v.SetDefault(key, value)
	}
	v.SetEnvPrefix("waybill")
	v.SetEnvKeyReplacer(strings.NewReplacer(".", "_"))
	v.AutomaticEnv()
	c := &Config{file: "environment"}
	if path != "" {
		c.file = path
		v.SetConfigFile(path)
		v.SetConfigType("yaml")
		if err := v.ReadInConfig(); err != nil {
			return nil, fmt.Errorf("config: read %s: %w", path, err)
		}
	}
	c.malformed = malformedIn(v.UnmarshalExact(c, viper.DecodeHook(form)))
	return c, nil
}

var textForm = reflect.TypeFor[encoding.TextUnmarshaler]()

// form reads a value in the one form its key has. Viper alone would let pass what means something else: 200 for
// 200ms becomes 200 nanoseconds, 0123 for "0123" becomes "83". Errors say what is wanted.
func form(_, to reflect.Type, v any) (any, error) {
	switch {
	case to == reflect.TypeFor[time.Duration]():
		d, err := time.ParseDuration(fmt.Sprint(v))
		return wanted(d, err, "a duration with its unit, such as 250ms, 20s or 48h")
	case reflect.PointerTo(to).Implements(textForm):
		return fromText(to, v)
	case to.Kind() == reflect.String:
		return text(v)
	case to.Kind() == reflect.Int, to.Kind() == reflect.Int64:
		n, err := strconv.ParseInt(fmt.Sprint(v), 10, to.Bits())
		return wanted(n, err, "a whole number")
	case to.Kind() == reflect.Float64:
		x, err := strconv.ParseFloat(fmt.Sprint(v), 64)
		if math.IsNaN(x) || math.IsInf(x, 0) {
			err = strconv.ErrRange
		}
		return wanted(x, err, "a number")
	case to.Kind() == reflect.Bool:
		s := fmt.Sprint(v)
		return wanted(s == "true", unless(s == "true" || s == "false"), "true or false")
	}
	return v, nil
}

func wanted(v any, err error, want string) (any, error) {
	if err != nil {
		return nil, errors.New("want " + want)
	}
	return v, nil
}

func unless(ok bool) error {
	if ok {
		return nil
	}
	return strconv.ErrSyntax
}

// text takes only what was written as a text. YAML reads a time that is not in quotes as one; it means the same.
func text(v any) (any, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case time.Time:
		return v.Format(time.RFC3339), nil
	}
	return nil, errors.New("want a text: write it in quotes")
}

func fromText(to reflect.Type, v any) (any, error) {
	s, err := text(v)
	if err != nil {
		return nil, err
	}
	into := reflect.New(to)
	if err := into.Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s.(string))); err != nil {
		return nil, err
	}
	return into.Elem().Interface(), nil
}

// malformed is a key that does not exist, or whose value could not be read.
type malformed struct{ key, fault string }

// malformedIn takes the decoder's error apart.
func malformedIn(err error) (ms []malformed) {
	switch e := err.(type) { //nolint:errorlint // it takes the tree of errors apart, node by node
	case nil:
		return nil
	case *mapstructure.DecodeError:
		unknown, ok := strings.CutPrefix(e.Unwrap().Error(), "has invalid keys: ")
		if !ok {
			return []malformed{{e.Name(), e.Unwrap().Error()}}
		}
		for _, k := range strings.Split(unknown, ", ") {
			ms = append(ms, malformed{strings.TrimPrefix(e.Name()+"."+k, "."), "there is no such key; config/example.yaml has every key"})
		}
		return ms
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			ms = append(ms, malformedIn(err)...)
		}
		return ms
	case interface{ Unwrap() error }:
		return malformedIn(e.Unwrap())
	}
	return []malformed{{"", err.Error()}}
}

// faults collects what is wrong, so that all of it is said at once, each with the file, the key and what is wanted.
type faults struct {
	file      string
	malformed []malformed
	errs      []error
}

// faults starts from what could not be read.
func (c *Config) faults() *faults {
	f := &faults{file: c.file, malformed: c.malformed}
	for _, m := range c.malformed {
		f.errs = append(f.errs, fmt.Errorf("%s: %s: %s", f.source(m.key), m.key, m.fault))
	}
	return f
}

// source is where a key's value is from.
func (f *faults) source(key string) string {
	if name := variable(key); os.Getenv(name) != "" {
		return "environment variable " + name
	}
	return f.file
}

// variable is the environment variable that overrides a key.
func variable(key string) string {
	return "WAYBILL_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

func (f *faults) want(ok bool, key, value, want string) {
	if !ok {
		f.fault(key, fmt.Sprintf("%q: want %s", value, want))
	}
}

// fault notes what is wrong with a key, unless it could not be read: then that was said.
func (f *faults) fault(key, words string) {
	if !f.said(key) {
		f.errs = append(f.errs, fmt.Errorf("%s: %s: %s", f.source(key), key, words))
	}
}

// said reports whether a key, or one it lies under, could not be read: nothing more can be said of it.
func (f *faults) said(key string) bool {
	for _, m := range f.malformed {
		if rest, ok := strings.CutPrefix(key, m.key); ok && m.key != "" && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return true
		}
	}
	return false
}

func (f *faults) span(key string, d, low, high time.Duration) {
	f.want(d >= low && d <= high, key, d.String(), fmt.Sprintf("a duration from %s to %s", low, high))
}

// zone wants the name of a time zone.
func (f *faults) zone(key, name string) *time.Location {
	zone, err := time.LoadLocation(name)
	f.want(err == nil && zone != time.Local && name != "", key, name, "a time zone, such as Europe/Berlin")
	return zone
}

// url wants an address without credentials, query and fragment.
func (f *faults) url(key, value, want string) { f.address(key, value, want, true) }

// bareURL wants a url without a path.
func (f *faults) bareURL(key, value, want string) { f.address(key, value, want, false) }

func (f *faults) address(key, value, want string, path bool) {
	u, err := url.Parse(value)
	if err != nil {
		f.want(false, key, "", want)
		return
	}
	ok := (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == ""
	f.want(ok && (path || u.Path == "" || u.Path == "/"), key, u.Redacted(), want)
}

func (f *faults) listen(key, value string) {
	_, port, err := net.SplitHostPort(value)
	n, perr := strconv.ParseUint(port, 10, 16)
	f.want(err == nil && perr == nil && n > 0, key, value, "host:port, as in 127.0.0.1:9480")
}

func (f *faults) err() error { return errors.Join(f.errs...) }
