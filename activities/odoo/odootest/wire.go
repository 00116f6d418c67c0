package odootest

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
)

// decodeCall reads an XML-RPC call.
func decodeCall(r io.Reader) (method string, params []any, err error) {
	d := xml.NewDecoder(r)
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return method, params, nil
		}
		if err != nil {
			return "", nil, err
		}
		s, ok := t.(xml.StartElement)
		switch {
		case !ok:
		case s.Name.Local == "methodName":
			if err := d.DecodeElement(&method, &s); err != nil {
				return "", nil, err
			}
		case s.Name.Local == "value":
			v, err := decodeValue(d)
			if err != nil {
				return "", nil, err
			}
			params = append(params, v)
		}
	}
}

// decodeValue reads what is inside <value>, up to its end.
func decodeValue(d *xml.Decoder) (v any, err error) {
	var chars strings.Builder
	typed := false
	for {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.CharData:
			chars.Write(t)
		case xml.StartElement:
			typed = true
			if v, err = decodeTyped(d, t); err != nil {
				return nil, err
			}
		case xml.EndElement:
			if !typed {
				return chars.String(), nil
			}
			return v, nil
		}
	}
}

func decodeTyped(d *xml.Decoder, s xml.StartElement) (any, error) {
	switch s.Name.Local {
	case "array":
		return decodeArray(d)
	case "struct":
		return decodeStruct(d)
	}
	var text string
	if err := d.DecodeElement(&text, &s); err != nil {
		return nil, err
	}
	switch s.Name.Local {
	case "int", "i4", "i8":
		return strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	case "double":
		return strconv.ParseFloat(strings.TrimSpace(text), 64)
	case "boolean":
		return strings.TrimSpace(text) == "1", nil
	}
	return text, nil
}

func decodeArray(d *xml.Decoder) (any, error) {
	list := []any{}
	for {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if t.Name.Local == "value" {
				v, err := decodeValue(d)
				if err != nil {
					return nil, err
				}
				list = append(list, v)
			}
		case xml.EndElement:
			if t.Name.Local == "array" {
				return list, nil
			}
		}
	}
}

func decodeStruct(d *xml.Decoder) (any, error) {
	m := map[string]any{}
	name := ""
	for {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			switch t.Name.Local {
			case "name":
				err = d.DecodeElement(&name, &t)
			case "value":
				m[name], err = decodeValue(d)
			}
			if err != nil {
				return nil, err
			}
		case xml.EndElement:
			if t.Name.Local == "struct" {
				return m, nil
			}
		}
	}
}

// encodeAnswer writes an answer, or a fault.
func encodeAnswer(v any) []byte {
	var b bytes.Buffer
	b.WriteString("<?xml version='1.0'?>\n<methodResponse>")
	if f, ok := v.(fault); ok {
		b.WriteString("<fault>")
		encodeValue(&b, map[string]any{"faultCode": int64(f.code), "faultString": f.text})
		b.WriteString("</fault>")
	} else {
		b.WriteString("<params><param>")
		encodeValue(&b, v)
		b.WriteString("</param></params>")
	}
	b.WriteString("</methodResponse>")
	return b.Bytes()
}

func encodeValue(b *bytes.Buffer, v any) {
	b.WriteString("<value>")
	switch v := v.(type) {
	case bool:
		fmt.Fprintf(b, "<boolean>%d</boolean>", map[bool]int{true: 1}[v])
	case int64:
		fmt.Fprintf(b, "<int>%d</int>", v)
	case float64:
		fmt.Fprintf(b, "<double>%s</double>", strconv.FormatFloat(v, 'g', -1, 64))
	case string:
		b.WriteString("<string>")
		_ = xml.EscapeText(b, []byte(v)) // a buffer does not fail
		b.WriteString("</string>")
	case []any:
		b.WriteString("<array><data>")
		for _, x := range v {
			encodeValue(b, x)
		}
		b.WriteString("</data></array>")
	case map[string]any:
		b.WriteString("<struct>")
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		for _, k := range keys {
			b.WriteString("<member><name>" + k + "</name>")
			encodeValue(b, v[k])
			b.WriteString("</member>")
		}
		b.WriteString("</struct>")
	default:
		panic(fmt.Sprintf("odootest: cannot encode %T", v))
	}
	b.WriteString("</value>")
}
