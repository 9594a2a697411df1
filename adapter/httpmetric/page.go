package httpmetric

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// parsePage reads JSON.
func parsePage(body []byte) (any, error) {
	var page any
	if err := json.Unmarshal(body, &page); err != nil {
		return nil, errors.New("the answer is not JSON: is the address right?")
	}
	return page, nil
}

// number is the one that the path leads to; nil where there is none.
func number(page any, text string) (value *float64, err error) {
	path, err := parsePath(text)
	if err != nil {
		return nil, err
	}
	defer func() { // the library is not ours
		if r := recover(); r != nil {
			value, err = nil, fmt.Errorf("%.80s cannot be followed: %v", text, r)
		}
	}()
	found := path.Get(page)
	switch len(found) {
	case 0:
		return nil, nil //nolint:nilnil // nothing is known, and nothing is wrong
	case 1:
		return numeric(found[0])
	}
	return nil, fmt.Errorf("%.80s leads to %d values; one is needed", text, len(found))
}

// numeric takes numbers, and texts that are some; null and NaN are nothing.
func numeric(found any) (*float64, error) {
	switch v := found.(type) {
	case nil:
		return nil, nil //nolint:nilnil // as above
	case float64:
		return &v, nil
	case string:
		value, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
		switch {
		case err != nil:
			return nil, fmt.Errorf("there is the text %.40q, which is no number", v)
		case math.IsNaN(value):
			return nil, nil //nolint:nilnil // as above
		case math.IsInf(value, 0):
			return nil, errors.New("the number is infinite")
		}
		return &value, nil
	case bool:
		return nil, fmt.Errorf("there is %v, which is no number", v)
	case []any:
		return nil, errors.New("there is a list, not a number")
	}
	return nil, errors.New("there is an object, not a number")
}
