package responses

import "turnout/internal/dialect/neutral"

// Table implements neutral.Codec.
func (Dialect) Table() *neutral.Table { return &table }

// Reasons that several rows share.
const (
	noSuch  = "the Responses API has no such parameter"
	stored  = "it names what is kept at another account"
	unheard = "the Responses API neither hears nor speaks"
)

// table is what the Responses API can express (API reference, create a model response, read
// 2026-11). What hangs on the model or on the value besides is said where it is written.
var table = neutral.Table{
	neutral.FeatureImageURL:          {How: neutral.Carried},
	neutral.FeatureImageData:         {How: neutral.Carried},
	neutral.FeatureDocumentURL:       {How: neutral.Carried},
	neutral.FeatureDocumentData:      {How: neutral.Carried},
	neutral.FeatureFile:              {How: neutral.Refused, Why: "an uploaded file belongs to the account that it was uploaded to"},
	neutral.FeatureAudio:             {How: neutral.Refused, Why: unheard},
	neutral.FeatureVideo:             {How: neutral.Refused, Why: "the Responses API takes no video"},
	neutral.FeatureCustomTool:        {How: neutral.Carried},
	neutral.FeatureServerTool:        {How: neutral.Dropped, Why: "it is another provider's own tool; only a search of the web is asked of this one's"},
	neutral.FeatureToolStrict:        {How: neutral.Carried},
	neutral.FeatureToolChoiceAllowed: {How: neutral.Carried},
	neutral.FeatureParallel:          {How: neutral.Carried},
	neutral.FeatureToolResultImage:   {How: neutral.Carried},
	neutral.FeatureToolResultError:   {How: neutral.Adapted, Why: "the result begins with the words that the tool failed"},
	neutral.FeatureReasoningEffort:   {How: neutral.Carried},
	neutral.FeatureReasoningBudget:   {How: neutral.Adapted, Why: "said as an effort"},
	neutral.FeatureReasoningOff:      {How: neutral.Adapted, Why: "said as the least effort that the model takes"},
	neutral.FeatureReasoningReplay:   {How: neutral.Carried},
	neutral.FeatureForeignReasoning:  {How: neutral.Dropped, Why: "only the provider that thought it can read it"},
	neutral.FeatureSchema:            {How: neutral.Carried, Why: "strict, where the schema allows it and the caller's dialect knows no other"},
	neutral.FeatureJSONMode:          {How: neutral.Carried, Why: "with an instruction where nothing speaks of JSON"},
	neutral.FeatureEnum:              {How: neutral.Adapted, Why: "an instruction asks for one of the words"},
	neutral.FeatureMaxTokens:         {How: neutral.Carried},
	neutral.FeatureStop:              {How: neutral.Refused, Why: "the Responses API has no stop sequences; the answer would go on behind them"},
	neutral.FeatureTemperature:       {How: neutral.Carried},
	neutral.FeatureTopP:              {How: neutral.Carried},
	neutral.FeatureTopK:              {How: neutral.Dropped, Why: noSuch},
	neutral.FeatureSeed:              {How: neutral.Dropped, Why: noSuch},
	neutral.FeaturePenalties:         {How: neutral.Dropped, Why: noSuch},
	neutral.FeatureLogprobs:          {How: neutral.Dropped, Why: "they are not translated back"},
	neutral.FeatureLogitBias:         {How: neutral.Dropped, Why: noSuch},
	neutral.FeatureChoices:           {How: neutral.Refused, Why: "the Responses API gives one answer"},
	neutral.FeatureCacheControl:      {How: neutral.Dropped, Why: "prompts are cached without being told"},
	neutral.FeatureCacheKey:          {How: neutral.Carried},
	neutral.FeatureCachedContent:     {How: neutral.Refused, Why: stored},
	neutral.FeatureMetadata:          {How: neutral.Carried},
	neutral.FeatureUser:              {How: neutral.Carried},
	neutral.FeatureTier:              {How: neutral.Carried, Why: "but for the speed of the Messages API, which is left out with a warning"},
	neutral.FeatureVerbosity:         {How: neutral.Carried, Why: "models before gpt-5 know none"},
	neutral.FeatureStore:             {How: neutral.Dropped, Why: "answers to translated requests are not stored"},
	neutral.FeaturePreviousResponse:  {How: neutral.Refused, Why: stored},
	neutral.FeatureBackground:        {How: neutral.Refused, Why: "answers to translated requests are not stored, so nobody could fetch one"},
	neutral.FeatureTruncation:        {How: neutral.Dropped, Why: "a prompt that is too long is refused"},
	neutral.FeatureSafety:            {How: neutral.Dropped, Why: noSuch},
	neutral.FeatureContextManagement: {How: neutral.Dropped, Why: "the conversation goes as it is"},
	neutral.FeatureMCP:               {How: neutral.Dropped, Why: "the provider is not told of other servers"},
	neutral.FeatureContainer:         {How: neutral.Dropped, Why: noSuch},
	neutral.FeatureResidency:         {How: neutral.Refused, Why: "a request cannot say where it is served"},
	neutral.FeaturePrediction:        {How: neutral.Dropped, Why: noSuch},
	neutral.FeatureOutputAudio:       {How: neutral.Refused, Why: unheard},
	neutral.FeatureOutputImage:       {How: neutral.Refused, Why: "images come from a tool there, and are not translated back"},
	neutral.FeaturePrefill:           {How: neutral.Adapted, Why: "the model answers anew and does not go on with what was begun"},
	neutral.FeatureMidSystem:         {How: neutral.Carried},
	neutral.FeatureCitations:         {How: neutral.Dropped, Why: "documents are not cited"},
	neutral.FeatureOpaque:            {How: neutral.Dropped, Why: "only its own provider knows it"},
	neutral.FeatureUnknown:           {How: neutral.Dropped, Why: "the Responses API does not know it"},
}
