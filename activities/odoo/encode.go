package odoo

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"strings"

	"github.com/kolo/xmlrpc"
)

// encode builds the request from plain values only: the codec panics on some structs, drops a time's zone, and
// writes map keys unescaped.
func encode(url, method string, params []any) (req *http.Request, err error) {
	defer recovered(&err)
	clean, err := plainSlice(params)
	if err != nil {
		return nil, err
	}
	return xmlrpc.NewRequest(url, method, clean)
}

// recovered turns the codec's panic into an error.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("the XML-RPC codec panicked: %v", p)
	}
}

// errNil is for a value that Odoo would read as an empty text, which is not the same as no value.
var errNil = errors.New("nil cannot be sent: send false to clear a field")

// plain turns a value into what the codec writes and Odoo reads faithfully, or says why it cannot be sent.
func plain(v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, errNil
	case bool:
		return v, nil
	case int:
		return plainInt(int64(v))
	case int64:
		return plainInt(v)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("%v is no number that Odoo can hold", v)
		}
		return v, nil
	case string:
		return strings.Map(printable, v), nil
	case []any:
		return plainSlice(v)
	case []string:
		return plainSlice(v)
	case []int64:
		return plainSlice(v)
	case [][]any:
		return plainSlice(v)
	case map[string]any:
		return plainMap(v)
	}
	return nil, fmt.Errorf("a %T cannot be sent: only texts, numbers, booleans, lists and maps of them can", v)
}

// plainInt refuses what no integer column of Odoo holds, before PostgreSQL does with a traceback.
func plainInt(n int64) (any, error) {
	if n > math.MaxInt32 || n < math.MinInt32 {
		return nil, fmt.Errorf("%d does not fit into Odoo's 32-bit integers", n)
	}
	return n, nil
}

// printable drops what XML cannot carry, also as a reference.
func printable(r rune) rune {
	if r < ' ' && r != '\n' && r != '\t' || r == '\uFFFE' || r == '\uFFFF' {
		return -1
	}
	return r
}

// keyForm is what a map key may be: the codec writes keys as they are.
var keyForm = regexp.MustCompile(`^[A-Za-z0-9_./]+$`)

func plainMap(v map[string]any) (any, error) {
	m := make(map[string]any, len(v))
	for k, x := range v {
		if !keyForm.MatchString(k) {
			return nil, fmt.Errorf("%q cannot be a name in a call: only letters, digits, '_', '.' and '/' can", k)
		}
		p, err := plain(x)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k, err)
		}
		m[k] = p
	}
	return m, nil
}

func plainSlice[T any](v []T) ([]any, error) {
	out := make([]any, len(v))
	for i := range v {
		p, err := plain(v[i])
		if err != nil {
			return nil, err
		}
		out[i] = p
	}
	return out, nil
}

// errGarbled means that the answer is no XML-RPC.
var errGarbled = errors.New("the answer cannot be read")

// deepest bounds how deep an answer may be nested; ours are six relations deep, 24 values. The codec recurses, and
// a few megabytes of nothing but brackets would end the process.
const deepest = 256

// decode reads an answer: its value, or the fault in it as xmlrpc.FaultError.
func decode(body []byte) (out any, err error) {
	defer func() {
		if err != nil && !errors.As(err, &xmlrpc.FaultError{}) {
			err = fmt.Errorf("%w: %w", errGarbled, err)
		}
	}()
	defer recovered(&err)
	switch {
	case !bytes.HasSuffix(bytes.TrimSpace(body), []byte("</methodResponse>")):
		return nil, errors.New("it is cut off, or no XML-RPC") // the codec takes a fault without its end for a value
	case depth(body) > deepest:
		return nil, fmt.Errorf("it is nested more than %d deep", deepest)
	}
	if err := xmlrpc.Response(body).Err(); err != nil {
		return nil, err
	}
	if err := xmlrpc.Response(body).Unmarshal(&out); err != nil {
		return nil, err
	}
	return out, nil
}

// depth is how deep the elements of an answer are nested, without parsing them.
func depth(body []byte) (deep int) {
	open := 0
	for {
		i := bytes.IndexByte(body, '<')
		if i < 0 || i+1 == len(body) {
			return deep
		}
		body = body[i+1:]
		switch body[0] {
		case '/':
			open--
		case '?', '!':
		default:
			end := bytes.IndexByte(body, '>')
			if end < 0 || body[max(end-1, 0)] != '/' {
				open++
			}
			deep = max(deep, open)
		}
	}
}
